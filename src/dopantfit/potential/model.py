"""A core-shell potential as data: species, charges, springs, Buckingham pairs and the cutoff. No energies."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from pydantic import ValidationError

from dopantfit.errors import ConfigError
from dopantfit.potential import checks, files
from dopantfit.potential.checks import Pair, pair_key
from dopantfit.potential.parameters import PAIR_QUANTITIES, Parameter
from dopantfit.potential.terms import Buckingham, Species
from dopantfit.strict_toml import AnyTable, read_text
from dopantfit.workflow.provenance import write_text_atomic


@dataclass(frozen=True, slots=True)
class Potential:
    """A complete, checked force field; frozen, hashable, and equal to what it reads back as.

    name, citation: what it is called and where it was published.
    cutoff: radius at which Buckingham terms are truncated, not shifted [Å].
    species: by label; the order is kept.
    pairs: a Buckingham term for each of the n(n+1)/2 pairs, keys sorted.
    neutral_in: formulas whose charges sum to zero; only for potentials whose charges are not one
        multiple of the formal charges.
    Raises ConfigError when labels, pairs or charges are not what they must be.
    """

    name: str
    citation: str
    cutoff: float
    species: Mapping[str, Species]
    pairs: Mapping[Pair, Buckingham]
    neutral_in: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.cutoff > 0.0 and self.cutoff < float("inf")):
            raise ConfigError(f"cutoff = {self.cutoff!r} Å must be positive; published sets have about 9.0")
        if not self.species:
            raise ConfigError("species: none given; a potential has at least one [species.X]")
        elements = {label: checks.element_of(label) for label in self.species}
        checks.check_pairs(self.species, self.pairs)
        total = {label: ion.total_charge for label, ion in self.species.items()}
        if self.neutral_in:
            for formula in self.neutral_in:
                checks.check_neutral(formula, elements, total)
        else:
            checks.check_proportional(self._formal_charges(), total)
        pairs = {pair: self.pairs[pair] for pair in checks.expected_pairs(self.species)}
        object.__setattr__(self, "cutoff", float(self.cutoff))
        object.__setattr__(self, "species", MappingProxyType(dict(self.species)))
        object.__setattr__(self, "pairs", MappingProxyType(pairs))

    # --- files ---------------------------------------------------------------------------------------

    @classmethod
    def load(cls, source: str | os.PathLike[str]) -> Self:
        """Read the potential in a TOML file, or the published one of that name in the library.

        Raises ConfigError when there is none, or when it is not a potential.
        """
        return cls.loads(read_text(files.locate(source)), source=str(source))

    @classmethod
    def loads(cls, text: str, source: str = "potential") -> Self:
        """Read the potential that TOML text spells out; `source` names it in errors (ConfigError)."""
        file = files.parse(text, source)
        try:
            return cls(**files.arguments(file))
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None

    def dumps(self) -> str:
        """Return the potential as TOML text with full precision; ``loads`` gives an equal potential back."""
        head = (self.name, self.citation, self.cutoff, self.neutral_in)
        return files.write(*head, self.species, self.pairs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``dumps`` to a file, atomically."""
        write_text_atomic(Path(path), self.dumps())

    def __reduce__(self) -> tuple[Any, ...]:
        # Read-only mappings cannot be pickled; potentials must reach worker processes.
        plain = (self.name, self.citation, self.cutoff, dict(self.species), dict(self.pairs), self.neutral_in)
        return (type(self), plain)

    def __hash__(self) -> int:
        return hash((self.name, self.cutoff, tuple(self.pairs.items()), tuple(self.species.items())))

    # --- looking things up ---------------------------------------------------------------------------

    def pair(self, a: str, b: str) -> Buckingham:
        """Return the Buckingham term of two species in either order; ConfigError when there is none."""
        try:
            return self.pairs[pair_key(a, b)]
        except KeyError:
            raise ConfigError(
                f"potential {self.name} has no pair {a}-{b}; its species are {', '.join(self.species)}"
            ) from None

    def part(self, labels: Iterable[str]) -> Self:
        """Return what a system of these species feels, without names; ConfigError where one is none of them.

        Two potentials that differ in other species only have equal parts, unless their charges need formulas to be
        neutral, which may hold any species.
        """
        kept = sorted(self.species if self.neutral_in else labels)
        unknown = [label for label in kept if label not in self.species]
        if unknown:
            raise ConfigError(f"potential {self.name} has no {unknown[0]}; its species are {', '.join(self.species)}")
        return replace(
            self,
            name="part",
            citation="",
            species={label: self.species[label] for label in kept},
            pairs={pair: term for pair, term in self.pairs.items() if set(pair) <= set(kept)},
        )

    @property
    def charge_scale(self) -> float | None:
        """Charge per formal charge: a dopant of formal charge z has z times this; None without one."""
        if self.neutral_in:
            return None
        total = {label: ion.total_charge for label, ion in self.species.items()}
        return checks.charge_scale(self._formal_charges(), total)

    def parameters(self) -> tuple[Parameter, ...]:
        """List every parameter: A, ρ, C of each pair, then charge, shell charge, spring of each species."""
        of_pairs = [Parameter(quantity, pair) for pair in self.pairs for quantity in PAIR_QUANTITIES]
        of_species = []
        for label, ion in self.species.items():
            names = ("charge", "shell_charge", "spring") if ion.shell else ("charge",)
            of_species += [Parameter(name, (label,)) for name in names]
        return (*of_pairs, *of_species)

    def value(self, parameter: Parameter) -> float:
        """Return the value of a parameter, in its unit; a miss raises ConfigError with the valid names."""
        self._require(parameter)
        if parameter.quantity in PAIR_QUANTITIES:
            term = self.pairs[pair_key(*parameter.of)]
            return {"A": term.A, "rho": term.rho, "C": term.C}[parameter.quantity]
        ion = self.species[parameter.of[0]]
        if parameter.quantity == "charge" or ion.shell is None:
            return ion.charge
        return ion.shell.charge if parameter.quantity == "shell_charge" else ion.shell.spring

    # --- variations ----------------------------------------------------------------------------------

    def with_values(self, values: Mapping[Parameter, float]) -> Self:
        """Return a potential with some parameters changed, checked anew; raise ConfigError."""
        species, pairs = dict(self.species), dict(self.pairs)
        for parameter, value in values.items():
            self._require(parameter)
            try:
                if parameter.quantity in PAIR_QUANTITIES:
                    key = pair_key(*parameter.of)
                    pairs[key] = _changed(pairs[key], parameter.quantity, value)
                else:
                    label = parameter.of[0]
                    species[label] = _changed_ion(species[label], parameter.quantity, value)
            except ValidationError as error:
                problem = error.errors()[0]["msg"]
                raise ConfigError(f"{parameter} = {value!r} {parameter.unit}: {problem}; change it") from None
        return replace(self, species=species, pairs=pairs)

    def with_dopant(
        self,
        label: str,
        species: Species,
        pairs: Mapping[Pair, Buckingham],
        *,
        name: str | None = None,
        citation: str | None = None,
    ) -> Self:
        """Return a potential with one more species, or with a species and its pairs replaced.

        pairs: the dopant with itself and with every host species, keys in either order.
        Raises ConfigError when a pair is missing, given twice, or is the host's own.
        """
        added: dict[Pair, Buckingham] = {}
        for a, b in pairs:
            if label not in (a, b):
                raise ConfigError(f"pairs.{a}-{b} is not a pair of the dopant {label}; the host's pairs stay")
            if pair_key(a, b) in added:
                raise ConfigError(f"pairs.{a}-{b} is given twice, as {b}-{a} too; remove one")
            added[pair_key(a, b)] = pairs[a, b]
        host = {pair: term for pair, term in self.pairs.items() if label not in pair}
        return replace(
            self,
            name=f"{self.name}-{label}" if name is None else name,
            citation=self.citation if citation is None else citation,
            species={**self.species, label: species},
            pairs={**host, **added},
        )

    # --- helpers -------------------------------------------------------------------------------------

    def _formal_charges(self) -> dict[str, int]:
        return {label: ion.formal_charge for label, ion in self.species.items()}

    def _require(self, parameter: Parameter) -> None:
        if parameter.quantity in PAIR_QUANTITIES:
            found = parameter.of in self.pairs
        else:
            ion = self.species.get(parameter.of[0])
            found = ion is not None and (ion.shell is not None or parameter.quantity == "charge")
        if found:
            return
        names = [str(known) for known in self.parameters() if known.quantity == parameter.quantity]
        raise ConfigError(
            f"potential {self.name} has no parameter '{parameter}'; "
            f"it has {', '.join(names) if names else f'no {parameter.quantity} at all'}"
        )


def _changed(model: AnyTable, field: str, value: float) -> AnyTable:
    # Not model_copy, which would not check the value.
    return type(model)(**{**dict(model), field: float(value)})


def _changed_ion(ion: Species, quantity: str, value: float) -> Species:
    if quantity == "charge" or ion.shell is None:
        return _changed(ion, "charge", value)
    field = "charge" if quantity == "shell_charge" else "spring"
    return Species(**{**dict(ion), "shell": _changed(ion.shell, field, value)})
