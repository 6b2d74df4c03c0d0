"""What people write to have a boundary built: ``boundary.toml``. Units: Å, K, ps, bar."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from dopantfit.boundary.build.tables import Count, NonNegative, Positive, Text, load_table
from dopantfit.boundary.build.stages import Health, Stage, check_stages
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.strict_toml import Table, parse_strict

BUILD_FILE = "boundary.toml"
SIZES = ("tiny", "quick", "desk", "paper")
#: An amorphous domain thinner than two phosphate units (about 5 Å each) beside the placement's clearances [Å].
THINNEST = 10.0


class Grain(Table):
    """The crystal: Li(1+x)Al(x)Ti(2-x)(PO4)3 as pseudo-cubic cells of 144 sites without its extra Li."""

    #: Pseudo-cubic cells along each edge of the boundary's plane.
    in_plane: Count
    #: Pseudo-cubic cells along the normal.
    thickness: Count
    #: Al per formula unit; rounded to whole ions of the whole grain.
    x: Annotated[float, Field(ge=0.0, le=2.0)] = 0.3
    #: Edge of the pseudo-cubic cell [Å]; 36.24 / 3, that of the published boundary at 300 K.
    edge: Positive = 12.08


class Amorphous(Table):
    """The phase between the grains: cations and whole PO4 units on a sparse grid, then sintered."""

    #: Thickness once sintered [Å]; with volume_per_atom it sets how many phosphates there are.
    thickness: Positive
    #: Once sintered [Å³]; the number of ions follows from it, not the density that the schedule reaches.
    volume_per_atom: Positive
    #: Cations per three PO4 units; their formal charges must add up to +9.
    cations: dict[Text, NonNegative]
    #: Volume per ion of the sparse placement [Å³]; above about 17 Å³ whole units still find their places.
    placed_volume_per_atom: Positive = 22.0
    #: Grid points per unit (a cation or a PO4); more than one, because units near a grain find no place.
    points_per_unit: Annotated[float, Field(ge=1.0)] = 2.0
    #: Orientations of a PO4 tried at each grid point.
    orientations: Count = 20

    @model_validator(mode="after")
    def _is_possible(self) -> "Amorphous":
        if self.thickness < THINNEST:
            raise ValueError(
                f"the gap is too thin: {self.thickness!r} Å, expected at least {THINNEST} Å "
                "(a phosphate unit at each grain); make it thicker"
            )
        if not any(self.cations.values()):
            raise ValueError("there are no cations to balance the phosphate; name at least one")
        return self


class BuildConfig(Table):
    """Everything that building a boundary needs to know."""

    name: Text
    #: Of the composition, the placement and the initial velocities.
    seed: Annotated[int, Field(ge=0)] = 1
    grain: Grain
    amorphous: Amorphous
    health: Health = Health()
    #: The sintering schedule, in order.
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _stages_fit(self) -> "BuildConfig":
        check_stages(self.stages)
        return self


def load_build(source: str | os.PathLike[str]) -> BuildConfig:
    """Return the build of a TOML file, of ``boundary.toml`` in a folder, or of a size that ships with the package.

    Raises ConfigError naming the file and the key.
    """
    if str(source) in SIZES:
        return parse_strict(BuildConfig, size_text(str(source)), f"size {source}")
    path = Path(source)
    path = path / BUILD_FILE if path.is_dir() else path
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file; write one, or name a size: {', '.join(SIZES)}")
    return load_table(BuildConfig, path)


def size_text(size: str) -> str:
    """Return ``boundary.toml`` of a size that ships with the package (one of SIZES)."""
    return files("dopantfit.boundary").joinpath("sizes", f"{size}.toml").read_text(encoding="utf-8")


def amorphous_counts(config: BuildConfig, potential: Potential, mobile: str = "Li") -> dict[str, int]:
    """Return how many phosphates (``P``) and cations the amorphous domain gets, exactly neutral.

    Cations are rounded to whole ions; the mobile one takes up the charge that rounding leaves.
    Raises ConfigError when the composition has a charge, or a cation is not in the potential.
    """
    domain = config.amorphous
    charges = _formal_charges(domain.cations, potential)
    _check_composition(domain.cations, charges, mobile)
    ions_per_phosphate = 5.0 + sum(domain.cations.values()) / 3.0
    area = (config.grain.in_plane * config.grain.edge) ** 2
    phosphates = round(domain.thickness * area / domain.volume_per_atom / ions_per_phosphate)
    counts = {label: round(phosphates * amount / 3.0) for label, amount in domain.cations.items() if label != mobile}
    rest = 3 * phosphates - sum(charges[label] * count for label, count in counts.items())
    if rest < 0 or rest % charges[mobile]:
        raise ConfigError(
            f"amorphous: {phosphates} PO4 with {counts} need {mobile} of total charge {rest:+d}; "
            "change the thickness so that more phosphates fit, or the composition"
        )
    return {"P": phosphates, mobile: rest // charges[mobile], **counts}


def _formal_charges(cations: dict[str, float], potential: Potential) -> dict[str, int]:
    missing = sorted({*cations, "P", "O"} - set(potential.species))
    if missing:
        raise ConfigError(
            f"amorphous.cations: {', '.join(missing)} not in the potential {potential.name}; "
            f"it has {', '.join(potential.species)}"
        )
    charges = {label: potential.species[label].formal_charge for label in cations}
    wrong = [label for label, charge in charges.items() if charge <= 0 or label == "P"]
    if wrong:
        raise ConfigError(f"amorphous.cations: {wrong[0]} is no cation beside the phosphate; remove it")
    return charges


def _check_composition(cations: dict[str, float], charges: dict[str, int], mobile: str) -> None:
    total = sum(charges[label] * amount for label, amount in cations.items())
    if abs(total - 9.0) > 1e-6:
        balanced = cations.get(mobile, 0.0) + (9.0 - total) / charges.get(mobile, 1)
        remedy = f"{mobile} = {balanced:.6g} would" if balanced >= 0.0 else "fewer of the highly charged cations would"
        raise ConfigError(
            f"amorphous.cations: {total:+.6g} e per three PO4 cannot be charge-balanced, expected +9; {remedy} balance"
        )
    if not cations.get(mobile):
        raise ConfigError(f"amorphous.cations: there is no {mobile} to take up what rounding leaves; give it an amount")
