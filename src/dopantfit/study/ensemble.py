"""How much of a result is the potential's: the same systems with other potentials of the fit, side by side."""

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean, stdev

from dopantfit.statistics import interval_of
from dopantfit.study.conduction import Transported
from dopantfit.study.dynamics import Equilibrated
from dopantfit.study.item import Cell
from dopantfit.study.item_schemas import EnsembleFacts, PotentialSpread
from dopantfit.study.items import Gathered, finish, number, number_columns
from dopantfit.study.systems import System
from dopantfit.study.transport_items import conductivity
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action

Cells = tuple[Cell, Cell, Cell, Cell]
#: Quantity and its unit.
Quantity = tuple[str, str]


class SystemRuns(Model):
    """What ran of one structure of a system: its equilibration, and the transport out of its runs.

    hotter: that at the second temperature of the study, where it has one.
    """

    system: System
    volume: TaskOutput[Equilibrated]
    transport: TaskOutput[Transported]
    hotter: TaskOutput[Transported] | None = None


class PotentialRuns(Model):
    """The systems that ran with one potential."""

    potential: str
    systems: tuple[SystemRuns, ...]

    def of(self, system: System) -> SystemRuns | None:
        """Return the runs of a system; None where it did not run."""
        return next((one for one in self.systems if one.system == system), None)


class EnsembleTable(Model):
    """The same systems with every potential, the study's own first."""

    mobile: str
    systems: tuple[System, ...]
    potentials: tuple[PotentialRuns, ...]


@typed_action(EnsembleTable, Gathered, version=1)
def ensemble(here: Here, want: EnsembleTable) -> Product[Gathered]:
    """Conductivities and volumes of the ensemble's systems with every potential, and the spread between potentials.

    The spread of a row is the standard deviation over potentials of its quantity; none with fewer than two.
    """
    rows: list[list[Cell]] = []
    spread: dict[str, dict[str, PotentialSpread]] = {}
    for system in want.systems:
        found = {one.potential: _quantities(here, one, system, want.mobile) for one in want.potentials}
        spreads = _spreads(found.values())
        for label, quantities in found.items():
            for (name, unit), cells in quantities.items():
                deviation = spreads[name].deviation if name in spreads else None
                rows.append([system.name, label, name, unit, *cells, deviation])
        spread[system.name] = spreads
    columns = dict.fromkeys(("system", "potential", "quantity", "unit"), "")
    columns |= {**number_columns("estimate", ""), "spread": ""}
    facts = EnsembleFacts(potentials=tuple(one.potential for one in want.potentials), spread=spread)
    return finish(here, "The same systems with other potentials of the fit", columns, rows, facts)


def _quantities(here: Here, runs: PotentialRuns, system: System, mobile: str) -> dict[Quantity, Cells]:
    """Numbers of one system with one potential; none where its tasks failed."""
    own, before = runs.of(system), runs.of(system.reference)
    volume, run = (None, None) if own is None else (here.if_made(own.volume), here.if_made(own.transport))
    found: dict[Quantity, Cells] = {}
    if volume is not None:
        found["volume", "Å³"] = number(volume.result.volume_A3)
    if run is not None:
        found |= dict(_conductivities(run.result))
        reference = None if before is None or own == before else here.if_made(before.transport)
        if reference is not None:
            name = f"σ({mobile}) over {system.reference.name}"
            found[name, ""] = _ratio(run.result, reference.result, mobile)
    return found


def _conductivities(run: Transported) -> Iterator[tuple[Quantity, Cells]]:
    for species in run.species:
        sigma = conductivity([run], species)
        if sigma is not None:  # the framework that the others move against has none
            yield (f"σ({species})", "S/cm"), number(sigma)


def _ratio(doped: Transported, reference: Transported, species: str) -> Cells:
    """Conductivity over that of the reference, as the verdict compares it."""
    ends = [interval_of(conductivity([one], species)) for one in (doped, reference)]
    ratio = ends[0].over(ends[1]).as_dict()
    return ratio["value"], None, ratio["low"], ratio["high"]


def _spreads(found: Iterable[Mapping[Quantity, Cells]]) -> dict[str, PotentialSpread]:
    """Mean and standard deviation of every quantity over the potentials that have a value, two or more."""
    values: dict[str, list[float]] = {}
    for quantities in found:
        for (name, _), (value, *_) in quantities.items():
            if isinstance(value, float):
                values.setdefault(name, []).append(value)
    return {
        name: PotentialSpread(potentials=len(one), mean=fmean(one), deviation=stdev(one))
        for name, one in values.items()
        if len(one) > 1
    }
