"""One number of a potential, by name: what a fit varies, a gradient is taken for, and a report traces."""

from dataclasses import dataclass
from typing import Self

from dopantfit.errors import ConfigError
from dopantfit.potential.checks import labels_in

#: Quantities of a pair of species, in the order they are written.
PAIR_QUANTITIES = ("A", "rho", "C")
#: Quantities of one species; ``charge`` is the core's.
SPECIES_QUANTITIES = ("charge", "shell_charge", "spring")
#: The unit of every quantity.
UNITS = {"A": "eV", "rho": "Å", "C": "eV Å⁶", "charge": "e", "shell_charge": "e", "spring": "eV/Å²"}

_REMEDY = (
    f"write a quantity of a pair ({', '.join(PAIR_QUANTITIES)}) as in 'rho Mg-O', "
    f"or of a species ({', '.join(SPECIES_QUANTITIES)}) as in 'spring O'"
)


@dataclass(frozen=True, slots=True, order=True)
class Parameter:
    """The name of one parameter: a quantity, of a pair or of one species.

    quantity: one of PAIR_QUANTITIES or SPECIES_QUANTITIES.
    of: two species labels (kept sorted, so their order never matters) or one.
    Raises ConfigError when the two do not go together.
    """

    quantity: str
    of: tuple[str, ...]

    def __post_init__(self) -> None:
        count = {**dict.fromkeys(PAIR_QUANTITIES, 2), **dict.fromkeys(SPECIES_QUANTITIES, 1)}
        if count.get(self.quantity) != len(self.of):
            raise ConfigError(f"'{self.quantity} {'-'.join(self.of)}' names no parameter; {_REMEDY}")
        object.__setattr__(self, "of", tuple(sorted(self.of)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the parameter that `text` names, as in ``"rho Mg-O"``; the inverse of ``str``.

        Raises ConfigError when it names none.
        """
        words = text.split()
        if len(words) != 2:
            raise ConfigError(f"'{text}' names no parameter; {_REMEDY}")
        return cls(words[0], labels_in(words[1]))

    @property
    def unit(self) -> str:
        """Unit of the quantity."""
        return UNITS[self.quantity]

    def __str__(self) -> str:
        return f"{self.quantity} {'-'.join(self.of)}"
