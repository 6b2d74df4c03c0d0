"""The tasks that gather the eleven results of a study, in the order of the published figures."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dopantfit.study.config import OWN
from dopantfit.study.host import FRAMEWORK, MOBILE, REDUCIBLE
from dopantfit.workflow.graph import Task

if TYPE_CHECKING:
    from dopantfit.study.tasks import Planner

_ITEMS = "dopantfit.study.items"


def item_tasks(planner: "Planner") -> Iterator[Task]:
    """Return one task for each result; each makes do with what finished."""
    study, dopant = planner.study, {"dopant": planner.study.dopant}
    levels = [f"GB_{i}" for i in study.compositions]
    realisations = range(1, study.doping.realisations + 1)
    doped = {f"{one}#{k}": f"doping/{one}/{k}" for one in levels for k in realisations}
    bleeding = {one: f"bleeding/{one}" for one in levels}
    yield _item("01-dopant-profiles", "dopant_profiles", dopant, doped)
    yield _item("02-acceptance", "acceptance", {}, bleeding)
    yield _item("03-host-profile", "host_profile", {"label": "Al"}, {"boundary": "boundary"})
    yield from _crystal_items(planner)
    yield from _amorphous_items(planner)
    yield _item("11-walkers", "walkers", {}, {one: f"swaps/{one}" for one in levels})
    if study.ensemble.systems:
        yield _ensemble_item(planner)


def _ensemble_item(planner: "Planner") -> Task:
    """The systems of the ensemble with every potential, the study's own among them, from the same structures."""
    ensemble, needs = planner.study.ensemble, dict[str, str]()
    for system in ensemble.systems:
        own = f"crystals/{system}" if system.startswith("C") else f"amorphous/{system}/1"
        places = {OWN: own} | {label: f"ensemble/{label}/{system}" for label in ensemble.labels}
        for label, place in places.items():
            needs[f"volume:{label}:{system}"] = f"{place}/equilibrate"
            needs[f"transport:{label}:{system}"] = f"{place}/transport"
    settings = {"potentials": [OWN, *ensemble.labels], "systems": list(ensemble.systems), "mobile": MOBILE}
    action = "dopantfit.study.ensemble:ensemble"
    return Task("items/ensemble", "items", action, settings, needs=needs, tolerant=True)


def _crystal_items(planner: "Planner") -> Iterator[Task]:
    crystals = ["C_ref", *(f"C_{i}" for i in planner.study.compositions)]
    needs = {f"volume:{one}": f"crystals/{one}/equilibrate" for one in crystals}
    needs |= {f"bleeding:GB_{i}": f"bleeding/GB_{i}" for i in planner.study.compositions}
    yield _item("04-site-occupancy", "site_occupancy", {}, needs)
    last = crystals[-1]
    needs = {"build": f"crystals/{last}/build"}
    for k in range(1, planner.study.crystals.replicas + 1):
        needs |= {f"doped#{k}": f"crystals/{last}/run{k}", f"reference#{k}": f"crystals/C_ref/run{k}"}
    settings = {"dopant": planner.study.dopant, "mobile": MOBILE, "system": last}
    yield Task("items/05-li-density", "items", "dopantfit.study.li_density:li_density", settings, needs=needs)
    settings = {"reference": "C_ref", "mobile": MOBILE}
    needs = {one: f"crystals/{one}/transport" for one in crystals}
    yield _item("06-crystal-conductivities", "conductivities", settings, needs)


def _amorphous_items(planner: "Planner") -> Iterator[Task]:
    cells = dict(planner.amorphous_cells())
    volumes = {role: f"{name}/equilibrate" for role, name in cells.items()}
    yield _item("07-ternary", "ternary", {"labels": [*FRAMEWORK, planner.study.dopant]}, volumes)
    needs = {f"glass:{role}": f"{name}/glass" for role, name in cells.items()}
    needs |= {f"volume:{role}": volume for role, volume in volumes.items()}
    yield _item("08-reducible-distance", "reducible_distance", {"label": REDUCIBLE}, needs)
    yield _item("09-densities", "densities", {}, volumes)
    settings = {"reference": "A_ref", "mobile": MOBILE}
    transports = {role: f"{name}/transport" for role, name in cells.items()}
    yield _item("10-amorphous-conductivities", "conductivities", settings, transports)
    system = f"A_{planner.study.amorphous.arrhenius_of}"
    runs = {"at": f"amorphous/{system}/1/transport"}
    runs |= {f"at{t:g}": f"amorphous/{system}/1/transport_{t:g}K" for t in planner.other_temperatures()}
    yield _item("10-arrhenius", "arrhenius", {"system": system}, runs)


def _item(name: str, function: str, settings: Mapping[str, Any], needs: Mapping[str, str]) -> Task:
    return Task(f"items/{name}", "items", f"{_ITEMS}:{function}", settings, needs=needs, tolerant=True)
