"""What the program knows of a host: its ions, its crystal, what was measured of it. Units: Å, K, e."""

import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import exp
from typing import Annotated

import numpy as np
from ase import Atoms
from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from dopantfit.potential.checks import Pair, read_pair
from dopantfit.strict_toml import Count, NonNegative, Positive, Table
from dopantfit.structures.cells import labels_of
from dopantfit.structures.prototypes import Crystal, Prototype, crystal
from dopantfit.structures.substitution import Substitution, substituted, whole_count
from dopantfit.units import BOLTZMANN

Text = Annotated[str, Field(min_length=1)]
Row = tuple[int, int, int]


class Polyanion(Table):
    """The unit that is placed and moved whole, such as PO4: a cation and the anions around it."""

    centre: Text
    ligand: Text
    count: Count
    #: Length of its bonds as it is placed.
    bond: Positive
    #: All its bonds are shorter than this, and the next ligand is farther.
    reach: Positive

    @property
    def formula(self) -> str:
        """As people write it: PO4."""
        return f"{self.centre}{self.ligand}{self.count if self.count > 1 else ''}"

    @property
    def printed(self) -> str:
        """With its number below the line: PO₄."""
        return self.formula.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


class SubstitutionRule(Table):
    """The host's own substitution: ``x`` partners per formula unit on the sites of `replaced`."""

    replaced: Text
    partner: Text


_ELEMENT = re.compile("[A-Z][a-z]?")


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(sorted(labels))


class HostCrystal(Table):
    """The crystal that every composition of the host derives from.

    In files `structure`, a CIF beside the file, with `empty_sites` may stand in place of the prototype.
    """

    #: A name of the structure library, or a crystal of its own.
    prototype: Annotated[
        Annotated[Text, Tag("name")] | Annotated[Prototype, Tag("table")],
        Discriminator(lambda given: "name" if isinstance(given, str) else "table"),
    ]
    #: Rows: the cell that is as near to a cube as can be, in terms of the primitive vectors.
    supercell: tuple[Row, Row, Row]

    @field_validator("supercell")
    @classmethod
    def _is_right_handed(cls, value: tuple[Row, Row, Row]) -> tuple[Row, Row, Row]:
        determinant = round(np.linalg.det(np.array(value)))
        if determinant <= 0:
            raise ValueError(f"has the determinant {determinant}, expected > 0")
        return value


class Grain(Table):
    """The grains of a boundary, where its own file says nothing else."""

    #: Partners per formula unit.
    x: NonNegative
    #: Edge of the pseudo-cubic cell at the temperature of the boundary.
    edge: Positive
    #: Half the thickness of a layer of framework cations along that edge.
    half_layer: Positive


class AmorphousPhase(Table):
    """What lies between the grains, where a boundary's own file says nothing else."""

    #: Cations beside the polyanions of one formula unit; rounding leaves a charge that the mobile ion takes up.
    cations: dict[Text, NonNegative]


class MeasuredCell(Table):
    """A cell of the host with ``x`` partners per formula unit, as measured."""

    x: Text
    a: Positive
    c: Positive
    source: Text

    @field_validator("x")
    @classmethod
    def _is_a_fraction(cls, value: str) -> str:
        try:
            Fraction(value)
        except (ValueError, ZeroDivisionError):
            raise ValueError('must be a fraction as in "1/2"') from None
        return value


class Run(Table):
    """Molecular dynamics of the doped crystal: ``x`` partners, ``y`` dopants per formula unit, at a temperature."""

    x: NonNegative
    y: Positive
    temperature: Positive


class MobilityRun(Run):
    """The run that shows the mobile ion; its sites are ``hop_length`` apart.

    diffusion: D* at that temperature, and activation_energy [eV]: roughly, for plans of runs that nobody has made. No
    result depends on them, so they are in no record and no key, and hosts that differ in nothing else are equal.
    """

    hop_length: Positive
    diffusion: Positive | None = Field(default=None, exclude=True)
    activation_energy: Positive | None = Field(default=None, exclude=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MobilityRun) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash((self.x, self.y, self.temperature, self.hop_length))

    def diffusion_at(self, temperature: float) -> float | None:
        """Rough D* [cm²/s] at another temperature [K]; None where the host does not tell."""
        if self.diffusion is None or self.activation_energy is None:
            return None
        change = 1.0 / temperature - 1.0 / self.temperature
        return self.diffusion * exp(-self.activation_energy * change / BOLTZMANN)


class Limit(Table):
    """The range that a number must lie in, its unit, and why; an end that is not given is open."""

    low: float | None = None
    high: float | None = None
    unit: str
    reason: Text

    @model_validator(mode="after")
    def _is_a_range(self) -> "Limit":
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low = {self.low:g} is above high = {self.high:g}: nothing lies between them")
        return self


class HostThresholds(Table):
    """What a potential must reproduce of the host."""

    #: Relaxed cell lengths against measured ones, and the change of volume with substitution.
    host_length: Limit
    host_trend: Limit
    #: First peaks of g(r), without and with the mobile ion.
    host_peak: Limit
    mobile_peak: Limit
    #: Linear expansion of c, and how much it exceeds that of a.
    expansion_c: Limit
    expansion_anisotropy: Limit
    #: Tracer diffusion of the mobile ion, and ions of the framework that leave their site.
    mobile_d: Limit
    framework_hops: Limit


class Host(Table):
    """A host. `check` finds what contradicts the crystal."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    formula: Text
    #: The ion that moves, and balances charge.
    mobile: Text
    #: The cations that carry the crystal's framework; a dopant takes their places.
    framework: Annotated[tuple[Text, ...], Field(min_length=1)]
    #: The ion that a reducing electrode gives its electrons to.
    reducible: Text
    #: Reach of the first shell of anions around a cation outside the polyanion.
    cation_reach: Positive
    #: Formal ones, by label.
    charges: dict[Text, int]
    polyanion: Polyanion
    substitution: SubstitutionRule
    crystal: HostCrystal
    grain: Grain
    amorphous: AmorphousPhase
    #: At least two compositions: the trend is that from the first to the last.
    cells: Annotated[tuple[MeasuredCell, ...], Field(min_length=2)]
    #: First peaks of g(r) at 300 K, "label-label" -> distance.
    peaks: dict[str, Positive]
    hot: Run
    mobility: MobilityRun
    thresholds: HostThresholds

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Host":
        for problem in self._contradictions():
            raise ValueError(problem)
        return self

    def _contradictions(self) -> Iterator[str]:
        """Yield what two entries say differently."""
        unit, rule = self.polyanion, self.substitution
        named = (self.mobile, *self.framework, self.reducible, unit.centre, unit.ligand, rule.replaced, rule.partner)
        for label in (*named, *self.amorphous.cations):
            if label not in self.charges:
                yield f"{label} is an ion of this host, but charges does not name it; add its formal charge"
        yield from self._charge_contradictions()
        written = set(_ELEMENT.findall(self.formula))
        ions = {element for label in named for element in _ELEMENT.findall(label)[:1]}
        if written != ions:
            yield f"formula = {self.formula!r} names {_listed(written)}, the other entries {_listed(ions)}; mend one"
        if rule.replaced == rule.partner:
            yield f"substitution: {rule.partner} cannot replace itself; name another partner"
        for what, label in (("replaced", rule.replaced), ("partner", rule.partner)):
            if label not in self.framework:
                yield f"substitution.{what} = {label!r} is not in framework = {list(self.framework)}; add it there"
        if self.reducible not in self.framework:
            yield f"reducible = {self.reducible!r} is not in framework = {list(self.framework)}; name one of them"
        if {self.mobile, unit.centre} & set(self.framework):
            yield "framework holds the mobile ion or the centre of the polyanion; take it out"
        if any(Fraction(a.x) >= Fraction(b.x) for a, b in pairwise(self.cells)):
            yield f"cells: x = {', '.join(one.x for one in self.cells)} must rise; sort them"
        for text in self.peaks:
            if not set(read_pair(text) or [""]) <= set(self.charges):
                yield f'peaks."{text}" is no pair of two ions of this host; write two labels as in "Ti-O"'

    def _charge_contradictions(self) -> Iterator[str]:
        unit, rule, charges = self.polyanion, self.substitution, self.charges
        for label in (self.mobile, *self.framework, unit.centre, *self.amorphous.cations):
            if charges[label] <= 0:
                yield f"charges.{label} = {charges[label]:+d}, but {label} stands among the cations; mend one of them"
        if charges[unit.ligand] >= 0:
            yield f"charges.{unit.ligand} = {charges[unit.ligand]:+d}, but it is the anion of the polyanion; mend it"
        if self.polyanion_charge >= 0:
            yield f"polyanion: {unit.formula} has the charge {self.polyanion_charge:+d}, expected < 0; mend charges"
        if (charges[rule.replaced] - charges[rule.partner]) % charges[self.mobile]:
            yield (
                f"substitution: {rule.partner} for {rule.replaced} cannot be balanced by whole {self.mobile} of "
                f"{charges[self.mobile]:+d} e; choose another partner"
            )

    @property
    def first_peaks(self) -> dict[Pair, float]:
        """First peaks of g(r) at 300 K [Å], by the two labels in the order of the file."""
        return {pair: length for text, length in self.peaks.items() if (pair := read_pair(text)) is not None}

    @property
    def polyanion_charge(self) -> int:
        """Formal charge of the polyanion [e]."""
        return self.charges[self.polyanion.centre] + self.polyanion.count * self.charges[self.polyanion.ligand]

    @property
    def exchangeable(self) -> tuple[str, ...]:
        """Cations that a dopant may change places with: the framework's and the mobile one."""
        return (*self.framework, self.mobile)

    def places_of(self, formal_charge: int) -> tuple[str, ...]:
        """Ions whose places a dopant takes: the mobile one where it has no more charge, else the framework's."""
        return (self.mobile,) if formal_charge <= self.charges[self.mobile] else self.framework

    def framework_with(self, dopant: str, formal_charge: int) -> tuple[str, ...]:
        """Cations of the framework, and a dopant of this charge where it takes their places."""
        return (*self.framework, dopant) if self.places_of(formal_charge) == self.framework else self.framework

    def site_of(self, formal_charge: int) -> str:
        """The ion of the crystal without partners that a dopant of this charge replaces."""
        return self.mobile if formal_charge <= self.charges[self.mobile] else self.substitution.replaced

    @cached_property
    def conventional(self) -> Crystal:
        """The conventional cell with its empty sites."""
        given = self.crystal.prototype
        found = given.crystal() if isinstance(given, Prototype) else crystal(given)
        return Crystal(found.sites, self.mobile, found.centring, self.charges)

    def pseudo_cubic(self, n: int | tuple[int, int, int] = 1) -> Crystal:
        """Return n × n × n (or n₁ × n₂ × n₃) pseudo-cubic cells."""
        counts = (n, n, n) if isinstance(n, int) else n
        return self.conventional.primitive().repeated(np.diag(counts) @ np.array(self.crystal.supercell))

    @cached_property
    def formula_unit(self) -> Mapping[str, int]:
        """Ions of one formula unit without substitution, by label: the stoichiometry in lowest terms."""
        labels, counts = np.unique(labels_of(self.conventional.ions), return_counts=True)
        whole = int(np.gcd.reduce(counts))
        return {str(label): int(count) // whole for label, count in zip(labels, counts, strict=True)}

    @property
    def polyanions_per_unit(self) -> int:
        """Polyanions of one formula unit."""
        return self.formula_unit[self.polyanion.centre]

    def units_in(self, n: int | tuple[int, int, int] = 1) -> int:
        """Formula units of so many pseudo-cubic cells."""
        counts = (n, n, n) if isinstance(n, int) else n
        return self.units_of(self.conventional.primitive()) * round(
            float(np.linalg.det(np.diag(counts) @ np.array(self.crystal.supercell)))
        )

    def units_of(self, cell: Crystal) -> int:
        """Formula units of a cell of the crystal."""
        return len(cell.ions) // sum(self.formula_unit.values())

    def mobile_per_partner(self) -> int:
        """Mobile ions that one partner brings."""
        rule = self.substitution
        return (self.charges[rule.replaced] - self.charges[rule.partner]) // self.charges[self.mobile]

    def mobile_in(self, units: int, partners: int) -> int:
        """Mobile ions of so many formula units with so many partners."""
        return self.formula_unit.get(self.mobile, 0) * units + self.mobile_per_partner() * partners

    def partners(self, count: int) -> Substitution:
        """So many partners on the sites that they take."""
        rule = self.substitution
        return Substitution(rule.replaced, rule.partner, self.charges[rule.partner], count)

    def doped(
        self,
        rng: np.random.Generator,
        x: float | Fraction,
        y: float | Fraction = 0,
        dopant: str | None = None,
        formal_charge: int = 0,
        *,
        cell: Crystal | None = None,
    ) -> Atoms:
        """Build x partners and y dopants per formula unit, charge-balanced, in a cell (a conventional one by default).

        Raises ConfigError when x or y is not commensurate with the cell, naming the nearest ones that are.
        """
        cell = self.conventional if cell is None else cell
        units, most = self.units_of(cell), self.formula_unit[self.substitution.replaced]
        changes = [self.partners(whole_count("x", x, units, most))]
        if dopant is not None:
            site = self.site_of(formal_charge)
            count = whole_count("y", y, units, self.formula_unit[site])
            changes.append(Substitution(site, dopant, formal_charge, count))
        return substituted(cell, changes, rng)
