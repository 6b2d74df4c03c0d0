"""What people write to have a reference set made: ``plan.toml`` in the folder of the set.

Lengths in Å, temperatures in K, times in ps; strains are fractions. Unknown keys are refused.
"""

import os
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dopantfit.errors import ConfigError
from dopantfit.reference.calculator import CalculatorSettings
from dopantfit.reference.cp2k import Cp2kSettings, Mesh
from dopantfit.strict_toml import Count, FormalCharge, Positive, Table, file_in, parse_strict, read_text

PLAN_FILE = "plan.toml"
#: What a start can be made of.
_SOURCES = ("prototype", "file", "frame", "end_of", "host")

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.+-]*$")]
#: Linear strain; beyond 0.2 a crystal is no longer itself.
Strain = Annotated[float, Field(ge=-0.2, le=0.2)]
#: Factor on every length, the same limits.
Scale = Annotated[float, Field(ge=0.8, le=1.2)]
StrainTensor = Annotated[tuple[Strain, ...], Field(min_length=6, max_length=6)]


class PlannedSubstitution(Table):
    """So many ions of a host exchanged for a dopant; mobile ions keep the cell neutral."""

    replaced: str
    dopant: str
    #: Of the dopant [e].
    formal_charge: FormalCharge
    count: Count


class Start(Table):
    """Where a configuration departs from: exactly one of prototype, file, frame, end_of, host."""

    #: A crystal that ships with the package.
    prototype: str | None = None
    #: The crystal of a host: a name of the library, or a TOML file relative to the plan.
    host: str | None = None
    #: The primitive cell of the crystal instead of its conventional one.
    primitive: bool = False
    #: A structure file that ASE reads, relative to the plan; its last configuration is taken.
    file: str | None = None
    #: A frame of this set, by its frame_id.
    frame: Name | None = None
    #: The last step of a relaxation of this plan.
    end_of: Name | None = None
    #: Repeats along the vectors of the cell.
    repeat: tuple[Count, Count, Count] = (1, 1, 1)
    #: Ions exchanged, on sites drawn with the item's seed.
    substitutions: tuple[PlannedSubstitution, ...] = ()
    #: Of a file: the ion that balances what is exchanged, and sites that more of it may take [fractional].
    mobile: str | None = None
    empty_sites: tuple[tuple[float, float, float], ...] = ()
    #: Isotropic linear strain of what the above gives.
    strain: Strain = 0.0

    @model_validator(mode="after")
    def _one_source(self) -> "Start":
        given = [k for k in _SOURCES if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_SOURCES)} (given: {given or 'none'})")
        made_of = given[0]
        if self.substitutions and made_of not in ("prototype", "host", "file"):
            raise ValueError("substitutions need a prototype, a host or a file to be made in")
        if self.primitive and made_of not in ("prototype", "host"):
            raise ValueError("primitive says which cell of a crystal is meant; give a prototype or a host")
        if (self.mobile or self.empty_sites) and made_of != "file":
            raise ValueError("mobile and empty_sites are for a file; a prototype or a host has its own")
        if self.frame is not None and (self.strain != 0.0 or self.repeat != (1, 1, 1)):
            raise ValueError("a frame is taken as it is; use an item of kind 'strain' to strain it")
        return self


class _Item(Table):
    #: Starts the frame_id of every configuration of this item.
    name: Name
    start: Start
    #: What must stay on one side of a split; by default the family of the frame or relaxation it departs
    #: from, else the name of the item.
    family: Name | None = None
    #: Of everything that is drawn.
    seed: Annotated[int, Field(ge=0)] = 0
    #: Monkhorst–Pack mesh, where it is not the plan's.
    k_mesh: Mesh | None = None


class Volumes(_Item):
    """An equation of state: the start with its lengths scaled, fractional coordinates kept."""

    kind: Literal["volumes"]
    scales: Annotated[tuple[Scale, ...], Field(min_length=1)]

    @property
    def count(self) -> int:
        """How many configurations."""
        return len(self.scales)


class Strains(_Item):
    """The start under homogeneous strains, fractional coordinates kept."""

    kind: Literal["strain"]
    #: Each a symmetric strain tensor as xx, yy, zz, yz, xz, xy.
    strains: Annotated[tuple[StrainTensor, ...], Field(min_length=1)]

    @property
    def count(self) -> int:
        """How many configurations."""
        return len(self.strains)


class Rattle(_Item):
    """Gaussian displacements of every ion, with an isotropic strain if wanted."""

    kind: Literal["rattle"]
    #: Standard deviation of each displacement component [Å], one configuration each.
    sigmas: Annotated[tuple[Positive, ...], Field(min_length=1)]
    #: Isotropic linear strains, as many as sigmas; none by default.
    strains: tuple[Strain, ...] = ()

    @property
    def count(self) -> int:
        """How many configurations."""
        return len(self.sigmas)

    @model_validator(mode="after")
    def _as_many(self) -> "Rattle":
        if self.strains and len(self.strains) != len(self.sigmas):
            raise ValueError(f"{len(self.strains)} strains for {len(self.sigmas)} sigmas; give as many")
        return self


class Relaxation(_Item):
    """Steps of a relaxation in a fixed cell, every one a frame."""

    kind: Literal["relaxation"]
    steps: Count
    #: The relaxation ends early when no force is larger [eV/Å].
    force_tolerance: Positive = 0.05

    @property
    def count(self) -> int:
        """How many configurations, if it does not end early."""
        return self.steps + 1


class MolecularDynamics(_Item):
    """Snapshots of a run at constant volume with a force field."""

    kind: Literal["md"]
    #: A name of the library, or a TOML file relative to the plan.
    potential: str
    temperature: Positive
    duration: Positive
    snapshots: Count

    @property
    def count(self) -> int:
        """How many configurations."""
        return self.snapshots


class CationExchange(_Item):
    """A dopant exchanged with cations of the start: every one relaxed in the fixed cell, and the start as it is.

    Start and last step of each relaxation join the set; they have one composition, so that their differences count.
    """

    kind: Literal["exchange"]
    dopant: str
    #: Cations it changes places with.
    partners: Annotated[tuple[str, ...], Field(min_length=1)]
    #: Pairs of sites of each partner, drawn.
    pairs: Count = 1
    #: At most, of each relaxation.
    steps: Count = 100
    #: A relaxation ends when no force is larger [eV/Å].
    force_tolerance: Positive = 0.05

    @property
    def count(self) -> int:
        """How many configurations, if no relaxation ends early."""
        return (1 + len(self.partners) * self.pairs) * (self.steps + 1)


class Channel(_Item):
    """A dopant on the place of a mobile ion, others removed for its charge; the end of a short run of each."""

    kind: Literal["channel"]
    dopant: str
    #: Of the dopant and of the mobile ion [e].
    formal_charge: FormalCharge
    mobile: str
    mobile_charge: FormalCharge = 1
    #: How many, each with places of its own.
    configurations: Count
    potential: str
    temperature: Positive
    duration: Positive

    @property
    def count(self) -> int:
        """How many configurations."""
        return self.configurations


class Glass(Table):
    """Melt and quench of a small cell with a force field: polyanions and cations at random, compressed, melted, cooled.

    The end of the run at ``temperature`` and ``snapshots`` - 1 configurations before it are taken.
    """

    kind: Literal["glass"]
    name: Name
    family: Name | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    k_mesh: Mesh | None = None
    #: Host whose polyanions are placed; its name in the library, or a file.
    host: str = "latp"
    #: How many polyanions, and how many of each cation.
    units: Annotated[int, Field(ge=1, le=50)]
    cations: Annotated[dict[str, Count], Field(min_length=1)]
    potential: str
    #: At the end [Å³ per ion]; glasses of LATP have 13, crystals 12.
    volume: Annotated[float, Field(ge=8.0, le=19.0)] = 13.0
    melt: Positive = 1800.0
    temperature: Positive = 300.0
    #: Of each leg of the run [ps].
    duration: Positive = 2.0
    snapshots: Count = 1

    @property
    def count(self) -> int:
        """How many configurations."""
        return self.snapshots


class BoundaryCuts(Table):
    """Small periodic cells cut from a built boundary, each around a dopant: whole polyanions, neutral by mobile ions.

    A cut is closed with a gap, which is shut in steps while it is warm, so that its seam heals; the end of a short run
    at ``temperature`` is taken. A cut whose seam costs a polyanion is drawn anew.
    """

    kind: Literal["boundary"]
    name: Name
    family: Name | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    k_mesh: Mesh | None = None
    #: Structure of a doped boundary that this program built, relative to the plan.
    boundary: Annotated[str, Field(min_length=1)]
    dopant: str
    #: Where the cuts lie: across the interface, so that a fifth of their polyanions or more are of either side, or in
    #: what was grain or glass when it was built.
    place: Literal["any", "interface", "glass", "grain"] = "any"
    #: How many ions of the structure, which come first, were grain when it was built; by default what its file says.
    grain_ions: Count | None = None
    #: How many cuts, each around a dopant that is drawn.
    cuts: Annotated[int, Field(ge=1, le=1000)]
    #: Of a cut, to a tenth.
    ions: Annotated[int, Field(ge=30, le=200)] = 60
    #: Host whose polyanions stay whole and whose mobile ions balance the charge; a name of the library, or a file.
    host: str = "latp"
    potential: str
    #: At the end [Å³ per ion]; by default that of the boundary.
    volume: Annotated[float, Field(ge=8.0, le=19.0)] | None = None
    #: While the seam heals, and of the run after it.
    healing: Positive = 800.0
    temperature: Positive = 300.0
    #: Of the healing of a closed cut, and of the run after it [ps].
    duration: Positive = 1.0

    @property
    def count(self) -> int:
        """How many configurations."""
        return self.cuts


class Recompute(_Item):
    """A configuration as it is: to compute it anew, or with another k-mesh."""

    kind: Literal["recompute"]
    #: Whether the frame joins the set; a check with another k-mesh does not.
    collect: bool = True

    @property
    def count(self) -> int:
        """How many configurations."""
        return 1


#: What departs from a start.
Departing = Volumes | Strains | Rattle | Relaxation | MolecularDynamics | CationExchange | Channel | Recompute
#: What is built without one.
Built = Glass | BoundaryCuts
Item = Annotated[Departing | Built, Field(discriminator="kind")]


class PlaneWaves(Table):
    """What the plane-wave codes (CASTEP, VASP, Quantum ESPRESSO) are asked for with --write-only."""

    #: Plane-wave cutoff [eV].
    cutoff: Positive = 750.0
    #: Energy change at self-consistency [eV].
    scf_tolerance: Positive = 1e-6


class Plan(Table):
    """A whole plan: what the set is for, how frames are computed, which configurations."""

    set: Name
    purpose: Annotated[str, Field(min_length=1)]
    licence: str = "CC-BY-4.0"
    notes: tuple[str, ...] = ()
    #: Monkhorst–Pack mesh of every frame; [1, 1, 1] is Γ only.
    k_mesh: Mesh = (1, 1, 1)
    #: Configurations of one composition nearer than this are reported as near-duplicates [Å].
    min_distance: Positive = 0.02
    cp2k: Cp2kSettings = Cp2kSettings()
    #: What makes the labels instead of CP2K.
    calculator: CalculatorSettings | None = None
    plane_waves: PlaneWaves = PlaneWaves()
    configurations: Annotated[tuple[Item, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_fit(self) -> "Plan":
        seen: dict[str, Item] = {}
        for item in self.configurations:
            if item.name in seen:
                raise ValueError(f"two items are called {item.name!r}; give each its own name")
            target = None if isinstance(item, Built) else item.start.end_of
            if target is not None and not isinstance(seen.get(target), Relaxation):
                raise ValueError(f"{item.name}: end_of = {target!r} is no relaxation above it in the plan")
            if self.calculator is not None and item.k_mesh is not None:
                raise ValueError(f"{item.name}: k_mesh is of CP2K, and a calculator makes these labels; remove it")
            seen[item.name] = item
        return self

    def item(self, name: str) -> Item:
        """Return the item called ``name``; ConfigError listing the names when there is none."""
        for item in self.configurations:
            if item.name == name:
                return item
        names = ", ".join(item.name for item in self.configurations)
        raise ConfigError(f"the plan of {self.set} has no item {name!r}; it has {names}")

    def item_of(self, frame_id: str) -> Item | None:
        """Return the item whose name a frame_id begins with, the longest; None for a frame of no item."""
        own = [item for item in self.configurations if f"{frame_id}-".startswith(f"{item.name}-")]
        return max(own, key=lambda item: len(item.name), default=None)

    def items(self, only: tuple[str, ...] = ()) -> Iterator[Item]:
        """Yield the items in the order of the plan, or those named in ``only``."""
        for name in only:
            self.item(name)
        yield from (item for item in self.configurations if not only or item.name in only)


def load_plan(path: str | os.PathLike[str]) -> Plan:
    """Return the plan in a TOML file, or in ``plan.toml`` of a folder; ConfigError naming file and key."""
    file = file_in(path, PLAN_FILE)
    return parse_plan(read_text(file, "write a plan there, see the docs"), str(file))


def parse_plan(text: str, source: str = PLAN_FILE) -> Plan:
    """Return the plan written in ``text`` (TOML); ConfigError naming ``source`` and the key."""
    return parse_strict(Plan, text, source)
