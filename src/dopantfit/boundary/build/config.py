"""What people write to have a boundary built: ``boundary.toml``. Units: Å, K, ps, bar."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from dopantfit.boundary.build.stages import Health, Stage, check_stages
from dopantfit.boundary.build.tables import Count, NonNegative, Positive, Text, load_table, parse_table
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.presets import PRESETS
from dopantfit.strict_toml import Seed, Table
from dopantfit.structures.cells import MOST_IONS
from dopantfit.structures.hosts import Host, load_host
from dopantfit.structures.hosts.load import check_potential

BUILD_FILE = "boundary.toml"
#: That of tests, and one for every preset of a study.
BUILD_PRESETS = ("tiny", *PRESETS)
#: An amorphous domain thinner than two polyanions (about 5 Å each) beside the placement's clearances [Å].
THINNEST = 10.0


class GrainSize(Table):
    """The crystal: pseudo-cubic cells of the host."""

    #: Pseudo-cubic cells along each edge of the boundary's plane.
    in_plane: Count
    #: Pseudo-cubic cells along the normal.
    thickness: Count
    #: Partners per formula unit, rounded to whole ions of the whole grain; the host's by default.
    x: NonNegative | None = None
    #: Edge of the pseudo-cubic cell [Å]; the host's by default.
    edge: Positive | None = None


class Amorphous(Table):
    """The phase between the grains: cations and whole polyanions on a sparse grid, then sintered."""

    #: Thickness once sintered [Å]; with volume_per_atom it sets how many polyanions there are.
    thickness: Annotated[float, Field(gt=0.0, le=10_000.0)]
    #: Once sintered [Å³]; the number of ions follows from it, not the density that the schedule reaches.
    volume_per_atom: Annotated[float, Field(gt=1.0, le=1_000.0)]
    #: Cations beside the polyanions of a formula unit, whose charge they must balance; the host's by default.
    cations: dict[Text, NonNegative] | None = None
    #: Volume per ion of the sparse placement [Å³]; above about 17 Å³ whole units still find their places.
    placed_volume_per_atom: Annotated[float, Field(gt=1.0, le=1_000.0)] = 22.0
    #: Grid points per unit (a cation or a polyanion); more than one, because units near a grain find no place.
    points_per_unit: Annotated[float, Field(ge=1.0, le=100.0)] = 2.0
    #: Orientations of a polyanion tried at each grid point.
    orientations: Annotated[int, Field(ge=1, le=1_000)] = 20

    @model_validator(mode="after")
    def _is_possible(self) -> "Amorphous":
        if self.thickness < THINNEST:
            raise ValueError(
                f"the gap is too thin: {self.thickness!r} Å, expected at least {THINNEST} Å "
                "(a polyanion at each grain); make it thicker"
            )
        if self.cations is not None and not any(self.cations.values()):
            raise ValueError("there are no cations to balance the polyanions; name at least one")
        return self


class BuildConfig(Table):
    """Everything that building a boundary needs to know."""

    name: Text
    #: In files: a name of the library, or a TOML file beside this one.
    host: Host = Field(default_factory=load_host)
    #: Of the composition, the placement and the initial velocities.
    seed: Seed = 1
    grain: GrainSize
    amorphous: Amorphous
    health: Health = Health()
    #: The sintering schedule, in order.
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> "BuildConfig":
        check_stages(self.stages)
        most = self.host.formula_unit[self.host.substitution.replaced]
        if self.x > most:
            raise ValueError(f"grain.x = {self.x!r} is outside 0 to {most}, the sites of a formula unit; change it")
        if self.ions > MOST_IONS:
            raise ValueError(
                f"grain and amorphous: {self.ions:.3g} ions, expected at most {MOST_IONS}; take fewer "
                "cells in_plane, or a smaller thickness"
            )
        return self

    @property
    def ions(self) -> float:
        """About how many ions there will be."""
        grain, domain = self.grain, self.amorphous
        cells = float(grain.in_plane) ** 2 * grain.thickness
        area = (grain.in_plane * self.edge) ** 2
        in_cell = self.host.units_in() * sum(self.host.formula_unit.values())
        return cells * in_cell + domain.thickness * area / domain.volume_per_atom

    @property
    def x(self) -> float:
        """Partners per formula unit of the grains."""
        return self.host.grain.x if self.grain.x is None else self.grain.x

    @property
    def edge(self) -> float:
        """Edge of the pseudo-cubic cell [Å]."""
        return self.host.grain.edge if self.grain.edge is None else self.grain.edge

    @property
    def cations(self) -> dict[str, float]:
        """Cations of the amorphous domain beside the polyanions of a formula unit."""
        return self.host.amorphous.cations if self.amorphous.cations is None else self.amorphous.cations


def load_build(source: str | os.PathLike[str], host: Host | None = None) -> BuildConfig:
    """Return the build of a TOML file, of ``boundary.toml`` in a folder, or of a preset.

    host: of a build that names none. Raises ConfigError naming the file and the key.
    """
    if str(source) in BUILD_PRESETS:
        return parse_table(BuildConfig, preset_text(str(source)), f"preset {source}", host=host)
    path = Path(source)
    path = path / BUILD_FILE if path.is_dir() else path
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file; write one, or name a preset: {', '.join(BUILD_PRESETS)}")
    return load_table(BuildConfig, path, host)


def preset_text(name: str) -> str:
    """Return ``boundary.toml`` of a preset (one of BUILD_PRESETS)."""
    return files("dopantfit.boundary").joinpath("presets", f"{name}.toml").read_text(encoding="utf-8")


def amorphous_counts(config: BuildConfig, potential: Potential) -> dict[str, int]:
    """Return how many polyanions (by their centre) and cations the amorphous domain gets, exactly neutral.

    Cations are rounded to whole ions; the mobile one takes up the charge that rounding leaves.
    Raises ConfigError when the composition has a charge, or an ion is not in the potential.
    """
    host, domain, cations = config.host, config.amorphous, config.cations
    unit, mobile, per_unit = host.polyanion, host.mobile, host.polyanions_per_unit
    charges = _formal_charges(cations, host, potential)
    _check_composition(cations, charges, host)
    ions_per_polyanion = 1.0 + unit.count + sum(cations.values()) / per_unit
    area = (config.grain.in_plane * config.edge) ** 2
    polyanions = round(domain.thickness * area / domain.volume_per_atom / ions_per_polyanion)
    counts = {label: round(polyanions * amount / per_unit) for label, amount in cations.items() if label != mobile}
    rest = -host.polyanion_charge * polyanions - sum(charges[label] * count for label, count in counts.items())
    if rest < 0 or rest % charges[mobile]:
        raise ConfigError(
            f"amorphous: {polyanions} {unit.formula} with {counts} need {mobile} of total charge {rest:+d}; "
            "change the thickness so that more polyanions fit, or the composition"
        )
    return {unit.centre: polyanions, mobile: rest // charges[mobile], **counts}


def _formal_charges(cations: dict[str, float], host: Host, potential: Potential) -> dict[str, int]:
    check_potential(host, potential)
    missing = sorted(set(cations) - set(potential.species))
    if missing:
        raise ConfigError(
            f"amorphous.cations: {', '.join(missing)} not in the potential {potential.name}; "
            f"it has {', '.join(potential.species)}"
        )
    charges = {label: potential.species[label].formal_charge for label in cations}
    wrong = [label for label, charge in charges.items() if charge <= 0 or label == host.polyanion.centre]
    if wrong:
        raise ConfigError(f"amorphous.cations: {wrong[0]} is no cation beside the {host.polyanion.formula}; remove it")
    return charges


def _check_composition(cations: dict[str, float], charges: dict[str, int], host: Host) -> None:
    mobile, expected = host.mobile, -host.polyanions_per_unit * host.polyanion_charge
    total = sum(charges[label] * amount for label, amount in cations.items())
    if abs(total - expected) > 1e-6:
        balanced = cations.get(mobile, 0.0) + (expected - total) / charges.get(mobile, 1)
        remedy = f"{mobile} = {balanced:.6g} would" if balanced >= 0.0 else "fewer of the highly charged cations would"
        raise ConfigError(
            f"amorphous.cations: {total:+.6g} e per {host.polyanions_per_unit} {host.polyanion.formula} "
            f"cannot be charge-balanced, expected {expected:+d}; {remedy} balance"
        )
    if not cations.get(mobile):
        raise ConfigError(f"amorphous.cations: there is no {mobile} to take up what rounding leaves; give it an amount")
