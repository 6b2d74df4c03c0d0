"""What people write to have a dopant studied: ``study.toml``. Units: Å, K, ps, bar, at% of all ions.

A file names a preset (quick, night, desk, paper) and whatever it wants otherwise; every value of the preset can be
overridden.
"""

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dopantfit.presets import check_preset
from dopantfit.statistics.sequential import MOST_LOOKS
from dopantfit.strict_toml import Count, Positive, Table, parse_strict, parse_toml, read_text
from dopantfit.structures.hosts import DEFAULT_HOST
from dopantfit.study.systems import System

STUDY_FILE = "study.toml"
#: What the study's own potential is called beside those of an ensemble.
OWN = "study"

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Text = Annotated[str, Field(min_length=1)]
#: Structures or runs that are averaged over. A spread is known to 2 % from 1,000; each is hours of work and a task.
Repeats = Annotated[int, Field(ge=1, le=1_000)]


class Engine(Table):
    """Molecular dynamics of every stage."""

    #: Time step [ps]; 0.4 fs keeps the energy as 0.2 fs does, the core-shell period is 3.7 fs.
    timestep: Positive
    #: Long-range solver and its relative accuracy.
    kspace: Text
    #: Time between frames [ps].
    frame_interval: Positive
    #: [bar], of every run at constant pressure.
    pressure: float


class Boundary(Table):
    """The undoped boundary."""

    #: A preset of `boundary build`, or a boundary.toml beside the study.
    build: Text
    #: Boundaries built and quenched independently of one another. Each has its own walkers and glasses: doped and
    #: undoped glasses of one quench are compared, and quenches show the spread.
    quenches: Repeats = 1


class Doping(Table):
    """The boundaries GB_1 ... GB_N, before any exchange."""

    #: Dopant in the amorphous domain, one number for each GB_i [at%].
    concentrations: Annotated[tuple[Annotated[float, Field(gt=0.0, le=30.0)], ...], Field(min_length=1, max_length=100)]
    #: Random realisations of each in every boundary, the walkers of its Monte Carlo; two or more show a spread.
    realisations: Repeats
    #: Relaxation of each by molecular dynamics at constant pressure [ps], [K].
    relaxation: Positive
    temperature: Positive

    @model_validator(mode="after")
    def _concentrations_rise(self) -> "Doping":
        if any(a >= b for a, b in zip(self.concentrations, self.concentrations[1:], strict=False)):
            raise ValueError(f"concentrations = {list(self.concentrations)} must rise from GB_1 on; sort them")
        return self


class Swaps(Table):
    """Relaxed-swap Monte Carlo with tempering."""

    #: Attempts between two rounds of molecular dynamics; rounds per layer; layers, counted from the interface.
    attempts_per_round: Count
    rounds_per_layer: Count
    layers: Count
    #: How a partner is drawn: "species" first, then an ion of it, so that every pair is tried as often; or any "ion".
    draw: Literal["ion", "species"]
    #: Width of a layer [Å]; the distance of framework planes in the crystal is 3.5.
    layer_width: Positive
    #: Molecular dynamics between bursts [ps], [K].
    relaxation: Positive
    temperature: Positive
    #: Temperatures of the coldest and the hottest walker [K]; the others are equidistant.
    coldest: Positive
    hottest: Positive
    #: Fully relaxed exchanges of each pair from which the fast estimate learns the response of what is far away.
    calibration: Count
    #: Walkers of lowest energy that stand for a composition.
    lowest_walkers: Count

    @model_validator(mode="after")
    def _temperatures_rise(self) -> "Swaps":
        if self.hottest < self.coldest:
            raise ValueError(f"hottest = {self.hottest} K is below coldest = {self.coldest} K; exchange them")
        return self

    @property
    def attempts(self) -> int:
        """Attempts of one walker."""
        return self.attempts_per_round * self.rounds_per_layer * self.layers


class Spectra(Table):
    """Spectra of exchange energies: where the dopant goes at the temperature of the coldest walker."""

    #: Sites of every boundary, relaxations of each with other arrangements of the mobile ions.
    sites: Count = 18
    arrangements: Annotated[int, Field(ge=1, le=20)] = 2
    #: Trial exchanges that must in turn lead to nothing lower before any counts; 0 for none.
    settling: Annotated[int, Field(ge=0, le=100)] = 1
    #: Error of the potential's own exchange energies between grain and glass [eV], one standard deviation; 0: that of
    #: gate `exchange`, where it was measured.
    exchange_error: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0


class Crystals(Table):
    """The crystal cells C_ref, C_1 ... C_N."""

    #: Pseudo-cubic cells of 12.1 Å along each edge; three are the published cell of 3953 ions.
    edge: Count
    #: Partners per formula unit.
    x: Annotated[float, Field(ge=0.0)]
    #: At constant pressure [ps], [K]; the volume is the mean over the second half.
    equilibration: Positive
    equilibration_temperature: Positive
    #: At constant volume, production after `heating` [ps], [K].
    heating: Positive
    production: Positive
    temperature: Positive
    #: Arrangements of the partners and the dopant. C_i and C_ref of one number share that of the partners and are
    #: compared; arrangements show the spread.
    arrangements: Repeats = 1
    #: Independent runs of each cell; two or more show the spread between runs.
    replicas: Repeats


class AmorphousCells(Table):
    """The amorphous cells A_ref, A_1 ... A_N, cut from the walkers, and T_0 without the reducible ion."""

    #: Ions nearer than this to the edge of the amorphous domain stay out of the cut [Å].
    margin: Annotated[float, Field(ge=0.0)]
    #: At constant pressure [ps], [K].
    equilibration: Positive
    equilibration_temperature: Positive
    heating: Positive
    production: Positive
    temperature: Positive
    #: Cells per composition and boundary, from its walkers of lowest energy.
    cells: Repeats
    #: Number i of the A_i that is run at other temperatures, and these temperatures [K].
    arrhenius_of: Count
    arrhenius_temperatures: tuple[Positive, ...]
    #: Whether T_0 is run, and the part of its reducible ions that becomes dopant, the rest the partner. 0.81 gives
    #: the 6.1 at% of the published Ti-free glass.
    reducible_free: bool
    reducible_free_dopant: Fraction


class Rules(Table):
    """Numbers behind the verdict. An answer is given where a whole 95 % interval lies on one side of its number."""

    #: Dopant fraction in the grain over that in the amorphous domain, at most. The published work calls 0.5 at% beside
    #: 7.1 at% impurity level.
    grain_share: Positive
    #: Depth that 95 % of the dopant in the grain stays above, at most [Å]; the published penetration is 40 Å, a grain
    #: is micrometres wide.
    penetration: Positive
    #: Attempted exchanges per dopant ion and walker below which the profile shows the start rather than the end.
    attempts_per_dopant: Positive
    #: Equilibration at constant pressure below which a volume is not equilibrated [ps]: ten times the barostat's 1 ps.
    equilibration: Positive
    #: σ of the mobile ion in C_i over that in C_ref, at least: what a grain may lose at most.
    bulk_conductivity: Fraction
    #: |V(C_i) / V(C_ref) - 1|, at most: more than thermal expansion between synthesis and use would strain a grain.
    volume_change: Positive
    #: σ of the mobile ion in A_i over that in A_ref, at least: a gain.
    boundary_conductivity: Positive
    #: Number density of the reducible ion in A_i over that in A_ref, at most.
    reducible_density: Positive
    #: Fewer independent structures or runs than this show no spread, and no answer is given.
    structures: Count
    #: Looks at a study that grows until it can tell; their errors add up to those of one 95 % interval.
    looks: Annotated[int, Field(ge=1, le=MOST_LOOKS)] = 4


class Ensemble(Table):
    """Other potentials of the fit, to see how much of a result is the potential's."""

    #: TOML files beside the study, such as those of fits/X/ensemble; results name them by file name without ending.
    potentials: tuple[Text, ...] = ()
    #: Systems that are run with each: C_ref, C_i, A_ref, A_i.
    systems: tuple[Annotated[str, Field(pattern=r"^(C|A)_(ref|[1-9][0-9]*)$")], ...] = ()

    @property
    def members(self) -> tuple[System, ...]:
        """The systems."""
        return tuple(System.named(name) for name in self.systems)

    @property
    def labels(self) -> dict[str, str]:
        """Potentials by the name that results have for them."""
        return {PurePath(potential).stem: potential for potential in self.potentials}


class StudyConfig(Table):
    """Everything that a study needs to know."""

    preset: Literal["quick", "night", "desk", "paper"]
    #: What is doped: a name of the library of hosts, or a TOML file beside the study.
    host: Text = DEFAULT_HOST
    #: Of everything random; each task draws its own from it and its name.
    seed: Annotated[int, Field(ge=0)]
    #: Label of the dopant in the potential.
    dopant: Text
    #: Host ions whose places it takes in the boundary, in proportion to their number there; the host's framework where
    #: it is left out.
    replaces: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    #: The fitted potential, beside the study or a published set; and what its gates said.
    potential: Text
    validation: Text
    #: Words that say why a potential that did not pass its gates is used all the same; they stand in the report.
    accept_failed_gates: str = ""
    #: Crystals and glasses, but T_0, are run at this temperature too [K]: hotter, where ions move more.
    second_temperature: Positive | None = None
    engine: Engine
    boundary: Boundary
    doping: Doping
    swaps: Swaps
    spectrum: Spectra = Spectra()
    crystals: Crystals
    amorphous: AmorphousCells
    rules: Rules
    ensemble: Ensemble = Ensemble()

    @model_validator(mode="after")
    def _numbers_fit(self) -> "StudyConfig":
        n = len(self.doping.concentrations)
        if self.amorphous.arrhenius_of > n:
            raise ValueError(f"amorphous.arrhenius_of = {self.amorphous.arrhenius_of}, but the last glass is A_{n}")
        for name, count in (
            ("swaps.lowest_walkers", self.swaps.lowest_walkers),
            ("amorphous.cells", self.amorphous.cells),
        ):
            if count > self.doping.realisations:
                walkers = f"doping.realisations = {self.doping.realisations}, which is the number of walkers"
                raise ValueError(f"{name} = {count}, but {walkers}")
        own = max(self.crystals.temperature, self.amorphous.temperature)
        if self.second_temperature is not None and self.second_temperature <= own:
            raise ValueError(
                f"second_temperature = {self.second_temperature:g} K must be above {own:g} K, that of the other runs"
            )
        self._ensemble_fits(n)
        return self

    def _ensemble_fits(self, n: int) -> None:
        """Refuse an ensemble that would run nothing, or whose results could not be told apart."""
        potentials, systems = self.ensemble.potentials, self.ensemble.systems
        for system in self.ensemble.members:
            if (system.composition or 0) > n:
                raise ValueError(f"ensemble.systems: {system.name}, but the last composition is {n}")
        if bool(potentials) != bool(systems):
            raise ValueError("ensemble: potentials and systems go together; name both, or neither")
        if len({*self.ensemble.labels, OWN}) <= len(potentials) or len(set(systems)) < len(systems):
            raise ValueError(f"ensemble: two potentials of one file name, one called {OWN}, or a system twice; rename")

    @property
    def compositions(self) -> tuple[int, ...]:
        """Numbers i of GB_i, C_i and A_i."""
        return tuple(range(1, len(self.doping.concentrations) + 1))


#: Settings that studies of former releases have under another name: table, that name, and today's.
_FORMER_NAMES = (
    ("amorphous", "titanium_free", "reducible_free"),
    ("amorphous", "titanium_free_dopant", "reducible_free_dopant"),
    ("rules", "titanium_density", "reducible_density"),
)


def load_study(path: str | os.PathLike[str], preset: str | None = None) -> tuple[StudyConfig, Path]:
    """Return the study in a file or in ``study.toml`` of a folder, and that file.

    preset: instead of the one the file names. Raises ConfigError naming the file and the key.
    """
    file = Path(path) / STUDY_FILE if Path(path).is_dir() else Path(path)
    text = read_text(file, "write one: preset, seed, dopant, potential are enough")
    return parse_study(text, str(file), preset), file


def parse_study(text: str, source: str = STUDY_FILE, preset: str | None = None) -> StudyConfig:
    """Return the study written in `text`, laid over its preset; ConfigError naming `source` and the key."""
    written = _renamed(parse_toml(text, source))
    chosen = preset or str(written.get("preset", "quick"))
    check_preset(chosen, f"{source}: preset")
    base = parse_toml(
        files("dopantfit.study").joinpath("presets", f"{chosen}.toml").read_text(encoding="utf-8"), chosen
    )
    return parse_strict(StudyConfig, {**_laid_over(base, written), "preset": chosen}, source)


def _renamed(written: Mapping[str, object]) -> dict[str, object]:
    """Return what was written with the names that settings have now."""
    renamed = dict(written)
    for table, former, name in _FORMER_NAMES:
        values = renamed.get(table)
        if isinstance(values, dict) and former in values and name not in values:
            renamed[table] = {name if key == former else key: value for key, value in values.items()}
    return renamed


def _laid_over(base: Mapping[str, object], written: Mapping[str, object]) -> dict[str, object]:
    """Return `base` with what was written in its place, table by table."""
    merged = dict(base)
    for key, value in written.items():
        below = merged.get(key)
        merged[key] = _laid_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
