"""How much of a result is the potential's: the same systems with other potentials of the fit, side by side."""

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean, stdev
from typing import Any

from dopantfit.statistics import estimate_from, interval_of
from dopantfit.study.files import Cell, Item, write_item
from dopantfit.study.items import conductivity, number
from dopantfit.workflow.graph import action
from dopantfit.workflow.work import Finished, Outcome, Work

Cells = tuple[Cell, Cell, Cell, Cell]
#: Quantity and its unit.
Quantity = tuple[str, str]


@action(version=1)
def ensemble(work: Work) -> Outcome:
    """Conductivities and volumes of the ensemble's systems with every potential, and the spread between potentials.

    needs: ``volume:<potential>:<system>`` and ``transport:<potential>:<system>``. settings: potentials, systems,
    mobile. The spread of a row is the standard deviation over potentials of its quantity; none with fewer than two.
    """
    rows: list[list[Cell]] = []
    facts: dict[str, Any] = {"potentials": list(work.settings["potentials"]), "spread": {}}
    for system in work.settings["systems"]:
        found = {label: _quantities(label, system, work) for label in work.settings["potentials"]}
        spreads = _spreads(found.values())
        for label, quantities in found.items():
            for (name, unit), cells in quantities.items():
                rows.append([system, label, name, unit, *cells, spreads.get(name, {}).get("deviation")])
        facts["spread"][system] = spreads
    columns = dict.fromkeys(("system", "potential", "quantity", "unit"), "")
    columns |= dict.fromkeys(("estimate_value", "estimate_error", "estimate_low", "estimate_high", "spread"), "")
    missing = sorted(set(work.task.needs.values()) - {need.record.task for need in work.needs.values()})
    item = Item("ensemble", "The same systems with other potentials of the fit", columns, rows, facts, missing)
    return Outcome({**facts, "missing": missing}, write_item(work.folder, item))


def _quantities(label: str, system: str, work: Work) -> dict[Quantity, Cells]:
    """Numbers of one system with one potential; none where its tasks failed."""
    volume, run = (work.needs.get(f"{kind}:{label}:{system}") for kind in ("volume", "transport"))
    found: dict[Quantity, Cells] = {}
    if volume is not None:
        found["volume", "Å³"] = number(estimate_from(volume.result["volume_A3"]))
    if run is not None:
        found |= dict(_conductivities(run))
        reference = f"{system.partition('_')[0]}_ref"
        before = work.needs.get(f"transport:{label}:{reference}")
        if before is not None and system != reference:
            mobile = work.settings["mobile"]
            found[f"σ({mobile}) over {reference}", ""] = _ratio(run, before, mobile)
    return found


def _conductivities(run: Finished) -> Iterator[tuple[Quantity, Cells]]:
    for species in run.result["species"]:
        sigma = conductivity([run], species)
        if sigma is not None:  # the framework that the others move against has none
            yield (f"σ({species})", "S/cm"), number(sigma)


def _ratio(doped: Finished, reference: Finished, species: str) -> Cells:
    """Conductivity over that of the reference, as the verdict compares it."""
    ends = [interval_of(conductivity([one], species)) for one in (doped, reference)]
    ratio = ends[0].over(ends[1]).as_dict()
    return ratio["value"], None, ratio["low"], ratio["high"]


def _spreads(found: Iterable[Mapping[Quantity, Cells]]) -> dict[str, dict[str, float | int]]:
    """Mean and standard deviation of every quantity over the potentials that have a value, two or more."""
    values: dict[str, list[float]] = {}
    for quantities in found:
        for (name, _), (value, *_) in quantities.items():
            if isinstance(value, float):
                values.setdefault(name, []).append(value)
    return {
        name: {"potentials": len(one), "mean": fmean(one), "deviation": stdev(one)}
        for name, one in values.items()
        if len(one) > 1
    }
