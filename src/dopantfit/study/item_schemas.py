"""What every result of a study must hold: the facts of its caption, and the columns that a page draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

from dopantfit.errors import ConfigError
from dopantfit.study.boundary_stage import DomainSpans
from dopantfit.study.swap_stage import Exchanges
from dopantfit.study.values import Number, Range
from dopantfit.workflow.schema import Model, parse_content

#: Where a dopant of the grain sits that no cation site is near.
BETWEEN = "between"
#: Which exchanges a row of item 2 counts: all, or those whose two sites lie on either side of the interface.
ALL_SITES, ACROSS = "all", "across the interface"


def interval_columns(quantity: str) -> tuple[str, str, str, str]:
    """Columns of a number with its error: value, standard error, 95 % interval; for an upper bound the last alone."""
    return f"{quantity}_value", f"{quantity}_error", f"{quantity}_low", f"{quantity}_high"


def hotter_sigma(kelvin: float) -> str:
    """What the conductivity at the second temperature of a study is called."""
    return f"sigma_{kelvin:g}K"


def share_column(label: str) -> str:
    """Column of a cation's share."""
    return f"x_{label}"


class ProfileFacts(Model):
    """compositions: ions of the amorphous domain per formula unit, by system and label."""

    compositions: dict[str, dict[str, float]]


class PenetrationFacts(Model):
    """What bled of one composition; see `dopantfit.study.bleeding_stage.GrainPenetration`."""

    penetration_A: Number | None
    grain_share: Number | None
    walkers: tuple[int, ...]


class AcceptanceFacts(RootModel[dict[str, PenetrationFacts]]):
    """What bled, by system."""

    model_config = ConfigDict(frozen=True)


class HostProfileFacts(Model):
    """label: of the ion that the profile shows. domains: of the boundary."""

    label: str
    domains: DomainSpans


class OccupancyFacts(Model):
    """By crystal: attempts per dopant, and time at constant pressure [ps], the shorter of its own and of C_ref's."""

    attempts_per_dopant: dict[str, float]
    constant_pressure_ps: dict[str, float]


class RunCounts(Model):
    """Runs of the doped crystal, and of the reference."""

    doped: int
    reference: int


class RunTimes(Model):
    """Their time together [ps]."""

    doped: float
    reference: float


class DensityMapFacts(Model):
    """dopants: in the crystal, by site. runs: looked at."""

    system: str
    dopants: dict[str, int]
    smoothing_A: float
    runs: RunCounts
    runs_ps: RunTimes


class ConductivityFacts(Model):
    """ratios: of the mobile ion's conductivity to the reference's, by system. runs: how many each system has.

    second_temperature_K, second_ratios: the same at the study's second temperature, where it has one.
    """

    ratios: dict[str, Range]
    runs: dict[str, int]
    second_temperature_K: float | None = None
    second_ratios: dict[str, Range] = Field(default_factory=dict)


class NoLine(Model):
    """Why there is no activation energy."""

    reason: str


class ArrheniusFacts(Model):
    """By species: activation energies [eV], and lines as rows of temperature [K], value, low, high [S/cm]."""

    system: str
    activation_energy_eV: dict[str, NoLine | Number]
    lines: dict[str, tuple[tuple[float, float, float, float], ...]]


class TernaryFacts(Model):
    """labels: of the three shares."""

    labels: tuple[str, ...]


class EquilibrationTimes(Model):
    """How many volumes of a system there are, and how long the shortest was equilibrated [ps]."""

    structures: int
    constant_pressure_ps: float


class VolumeFacts(Model):
    """What the volumes of each system come from."""

    volumes: dict[str, EquilibrationTimes]


class SystemExchanges(Model):
    """Exchanges of temperature between the walkers of one composition."""

    exchanges: Exchanges


class WalkerFacts(RootModel[dict[str, SystemExchanges]]):
    """Exchanges of temperature, by system."""

    model_config = ConfigDict(frozen=True)


class PotentialSpread(Model):
    """Mean and standard deviation of a quantity over so many potentials."""

    potentials: int
    mean: float
    deviation: float


class EnsembleFacts(Model):
    """spread: by system and quantity."""

    potentials: tuple[str, ...]
    spread: dict[str, dict[str, PotentialSpread]]


@dataclass(frozen=True)
class Schema:
    """Facts of a result, and columns that its table must have beside others.

    intervals: quantities that its table may give with their 95 % intervals, in the columns of ``interval_columns``.
    """

    facts: type[BaseModel] = RootModel[dict[str, JsonValue]]
    columns: tuple[str, ...] = ()
    intervals: tuple[str, ...] = ()

    def read(self, facts: Mapping[str, JsonValue], folder: Path) -> BaseModel:
        """Return the facts; ConfigError naming the folder and the fact when one lacks."""
        try:
            return parse_content(self.facts, dict(facts))
        except ValueError as problem:
            raise ConfigError(
                f"{folder}: fact {problem}; another version wrote it: run `dopantfit study` (and --keep) again"
            ) from None


_SIGMA = Schema(ConductivityFacts, ("system", "species", *interval_columns("sigma")), ("sigma", "D"))

#: By name of the result.
SCHEMAS: Mapping[str, Schema] = {
    "01-dopant-profiles": Schema(ProfileFacts, ("system", "z", "mean", "deviation", "structures")),
    "02-acceptance": Schema(
        AcceptanceFacts,
        ("system", "sites", "partner", "attempts", "accepted", *interval_columns("acceptance")),
        ("acceptance",),
    ),
    "03-host-profile": Schema(HostProfileFacts, ("z", "mean")),
    "04-site-occupancy": Schema(
        OccupancyFacts,
        ("system", "site", "count", "share", "volume_change", "volume_change_low", "volume_change_high"),
        ("volume_change",),
    ),
    "05-mobile-density": Schema(DensityMapFacts, ("site", "from", "to", "difference", "error")),
    "06-crystal-conductivities": _SIGMA,
    "07-ternary": Schema(TernaryFacts, ("system",)),
    "08-reducible-distance": Schema(
        VolumeFacts,
        ("system", "structures", *interval_columns("nearest"), *interval_columns("density")),
        ("nearest", "density"),
    ),
    "09-densities": Schema(
        VolumeFacts,
        ("system", *interval_columns("mass_density"), *interval_columns("number_density")),
        ("mass_density", "number_density"),
    ),
    "10-amorphous-conductivities": _SIGMA,
    "10-arrhenius": Schema(ArrheniusFacts, ("temperature", "species", *interval_columns("sigma")), ("sigma", "D")),
    "11-walkers": Schema(WalkerFacts, ("system", "round", "walker", "temperature", "energy")),
    "ensemble": Schema(
        EnsembleFacts, ("system", "potential", "quantity", "unit", *interval_columns("estimate")), ("estimate",)
    ),
}
