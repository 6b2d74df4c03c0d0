"""How species become LAMMPS atom types: one type for the core of each, one for each shell."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from types import MappingProxyType

from dopantfit.errors import ConfigError
from dopantfit.lammps import syntax
from dopantfit.potential import Potential
from dopantfit.units import AMU_A2_PER_PS2


@dataclass(frozen=True)
class AtomTypes:
    """Numbering of cores, shells and core-shell bonds, all from 1.

    core: label -> atom type of its core, in the order of the types.
    shell: label -> atom type of its shell, for species that have one; these follow the cores.
    bond: label -> type of the bond between its core and its shell.
    shell_time: sqrt(m/k) of the fastest shell [ps], the time scale of shell relaxations; 0 without shells.
    stiffest_spring: k of the stiffest spring [eV/Å²]; 0 without shells.
    """

    core: Mapping[str, int]
    shell: Mapping[str, int]
    bond: Mapping[str, int]
    shell_time: float
    stiffest_spring: float

    def __len__(self) -> int:
        return len(self.core) + len(self.shell)

    def __iter__(self) -> Iterator[tuple[str, int]]:
        yield from self.core.items()
        yield from self.shell.items()

    @property
    def polarisable_cores(self) -> tuple[int, ...]:
        """Types of the cores that carry a shell."""
        return tuple(self.core[label] for label in self.shell)

    def site_of_buckingham(self, label: str) -> int:
        """Type of the site on which the Buckingham term of a species acts: the shell if there is one."""
        return self.shell.get(label, self.core[label])


def atom_types(potential: Potential, labels: Iterable[str] | None = None) -> AtomTypes:
    """Atom types of the species named by `labels` (all of the potential by default), sorted by label.

    Raises ConfigError for a label that the potential does not know or that LAMMPS must not see.
    """
    wanted = sorted(set(potential.species if labels is None else labels))
    for name in wanted:
        syntax.label(name)
        if name not in potential.species:
            raise ConfigError(
                f"species {name!r} has no parameters in potential {potential.name!r}; "
                f"it knows {', '.join(sorted(potential.species))}"
            )
    shells = {name: shell for name in wanted if (shell := potential.species[name].shell) is not None}
    return AtomTypes(
        core=MappingProxyType({name: i for i, name in enumerate(wanted, start=1)}),
        shell=MappingProxyType({name: i for i, name in enumerate(shells, start=len(wanted) + 1)}),
        bond=MappingProxyType({name: i for i, name in enumerate(shells, start=1)}),
        shell_time=min((sqrt(s.mass * AMU_A2_PER_PS2 / s.spring) for s in shells.values()), default=0.0),
        stiffest_spring=max((s.spring for s in shells.values()), default=0.0),
    )
