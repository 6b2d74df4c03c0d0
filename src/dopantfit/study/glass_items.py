"""Results 7 to 9: composition, structure and density of the glasses."""

from collections.abc import Sequence
from math import inf

from dopantfit.statistics import Estimate, pooled
from dopantfit.study.conduction import NearestNeighbours
from dopantfit.study.dynamics import Equilibrated
from dopantfit.study.item import Cell
from dopantfit.study.item_schemas import EquilibrationTimes, TernaryFacts, VolumeFacts, share_column
from dopantfit.study.items import Gathered, finish, number, number_columns
from dopantfit.study.systems import System
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Made, Product, TaskOutput, typed_action

#: u/Å³ in g/cm³.
_GRAMS = 1.66053906660


class GlassCells(Model):
    """The amorphous cells of one system: their volumes, and the surroundings of the reducible ion in each."""

    system: System
    volumes: tuple[TaskOutput[Equilibrated], ...]
    structures: tuple[TaskOutput[NearestNeighbours], ...] = ()


class Ternary(Model):
    """labels: of the framework cations and the dopant."""

    labels: tuple[str, ...]
    glasses: tuple[GlassCells, ...]


class ReducibleDistance(Model):
    """label: of the reducible ion."""

    label: str
    glasses: tuple[GlassCells, ...]


class Densities(Model):
    """All amorphous cells."""

    glasses: tuple[GlassCells, ...]


@typed_action(Ternary, Gathered, version=1)
def ternary(here: Here, want: Ternary) -> Product[Gathered]:
    """Item 7: shares of the framework cations in the amorphous cells."""
    rows: list[Sequence[Cell]] = []
    for one in want.glasses:
        for index, made in enumerate(here.all_made(one.volumes), 1):
            counts = [made.result.counts.get(label, 0) for label in want.labels]
            whole = sum(counts)
            rows.append((one.system.name, index, *(count / whole for count in counts), made.result.atoms))
    columns = {"system": "", "structure": "", **{share_column(label): "" for label in want.labels}, "ions": ""}
    title = f"Shares of {', '.join(want.labels)} in the amorphous cells"
    return finish(here, title, columns, rows, TernaryFacts(labels=want.labels))


@typed_action(ReducibleDistance, Gathered, version=3)
def reducible_distance(here: Here, want: ReducibleDistance) -> Product[Gathered]:
    """Item 8: distance of the reducible ion to the next one, and its number density, in the amorphous cells."""
    rows: list[Sequence[Cell]] = []
    times: dict[str, EquilibrationTimes] = {}
    for one in want.glasses:
        volumes, structures = here.all_made(one.volumes), here.all_made(one.structures)
        if not (volumes or structures):
            continue
        nearest = [(made.result.nearest_A, made.result.nearest_error_A) for made in structures]
        known = [Estimate.symmetric(mean, error) for mean, error in nearest if mean is not None and error is not None]
        density = number_density([made.result for made in volumes], want.label)
        rows.append((one.system.name, len(known), *number(pooled(known)), *number(density)))
        times[one.system.name] = _times(volumes)
    columns = {"system": "", "structures": "", **number_columns("nearest", "Å"), **number_columns("density", "1/Å³")}
    title = f"{want.label}-{want.label} distance and {want.label} density of the amorphous cells"
    return finish(here, title, columns, rows, VolumeFacts(volumes=times))


def shortest(volumes: Sequence[Made[Equilibrated]]) -> float:
    """Shortest time at constant pressure that volumes come from [ps]; zero without any."""
    return min((one.result.duration_ps for one in volumes), default=0.0)


def _times(cells: Sequence[Made[Equilibrated]]) -> EquilibrationTimes:
    return EquilibrationTimes(structures=len(cells), constant_pressure_ps=shortest(cells))


def number_density(cells: Sequence[Equilibrated], label: str | None) -> Estimate | None:
    """Number density of a label (of all ions for None), pooled over cells [1/Å³]."""
    return _per_volume([(cell.atoms if label is None else cell.counts.get(label, 0), cell.volume_A3) for cell in cells])


def _per_volume(found: Sequence[tuple[float, Estimate]]) -> Estimate | None:
    """Amounts over volumes [1/Å³], pooled; cells whose volume has no error are left out."""
    return pooled([density_of(amount, volume) for amount, volume in found if volume.value and volume.error is not None])


def density_of(amount: float, volume: Estimate) -> Estimate:
    """An exact amount over a volume [1/Å³]; a volume without an error, of which nothing follows, makes a bound."""
    if not volume.value or volume.error is None:
        return Estimate.upper_bound(inf)
    return Estimate.symmetric(amount / volume.value, amount * volume.error / volume.value**2)


@typed_action(Densities, Gathered, version=3)
def densities(here: Here, want: Densities) -> Product[Gathered]:
    """Item 9: mass and number density of the amorphous cells."""
    rows: list[Sequence[Cell]] = []
    times: dict[str, EquilibrationTimes] = {}
    for one in want.glasses:
        if not (made := here.all_made(one.volumes)):
            continue
        cells = [cell.result for cell in made]
        mass = _per_volume([(cell.mass_u * _GRAMS, cell.volume_A3) for cell in cells])
        rows.append((one.system.name, len(cells), *number(mass), *number(number_density(cells, None))))
        times[one.system.name] = _times(made)
    columns = {"system": "", "structures": ""}
    columns |= {**number_columns("mass_density", "g/cm³"), **number_columns("number_density", "1/Å³")}
    return finish(here, "Mass and number density of the amorphous cells", columns, rows, VolumeFacts(volumes=times))
