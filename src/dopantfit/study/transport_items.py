"""Results 6 and 10: conductivities of crystals and glasses, and their activation energies."""

from collections.abc import Mapping, Sequence

import numpy as np

from dopantfit.errors import ConvergenceError
from dopantfit.statistics import Estimate, Interval, interval_of, pooled
from dopantfit.study.conduction import SpeciesTransport, Transported
from dopantfit.study.item import Cell
from dopantfit.study.item_schemas import ArrheniusFacts, ConductivityFacts, NoLine, hotter_sigma
from dopantfit.study.items import Gathered, finish, number, number_columns
from dopantfit.study.systems import System
from dopantfit.transport.arrhenius import ArrheniusFit, fit_arrhenius
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action

#: Points that an Arrhenius line and its band are given at.
_LINE = 21


class ConductingSystem(Model):
    """The structures of one system; hotter: at the second temperature of the study, where it has one."""

    system: System
    transports: tuple[TaskOutput[Transported], ...]
    hotter: tuple[TaskOutput[Transported], ...] = ()


class Conductivities(Model):
    """Systems against the reference."""

    reference: System
    mobile: str
    systems: tuple[ConductingSystem, ...]


class ArrheniusLine(Model):
    """One system at several temperatures."""

    system: System
    points: tuple[TaskOutput[Transported], ...]


@typed_action(Conductivities, Gathered, version=5)
def conductivities(here: Here, want: Conductivities) -> Product[Gathered]:
    """Items 6 and 10: conductivity and D* of every cation in every system, the mobile ion's against the reference.

    Conductivities at a second temperature stand beside those at the study's own, in columns that name it.
    """
    groups = _results(here, {one.system: one.transports for one in want.systems})
    hotter = _results(here, {one.system: one.hotter for one in want.systems})
    kelvin = next((runs[0].temperature_K for runs in hotter.values()), None)
    pooled_by, hot = _conductivities(groups), _conductivities(hotter)
    rows: list[Sequence[Cell]] = []
    for system, found in pooled_by.items():
        for name, sigma in found.items():
            if sigma is None:  # the framework that the others move against
                continue
            diffusion = pooled([one.D_cm2_per_s for one in _of_species(groups[system], name)])
            row = (system.name, name, len(groups[system]), *number(sigma), *number(diffusion))
            rows.append((*row, *(() if kelvin is None else number(hot.get(system, {}).get(name)))))
    columns = {"system": "", "species": "", "structures": ""}
    columns |= {**number_columns("sigma", "S/cm"), **number_columns("D", "cm²/s")}
    columns |= {} if kelvin is None else number_columns(hotter_sigma(kelvin), "S/cm")
    facts = ConductivityFacts(
        ratios=_ratios(pooled_by, want),
        runs={system.name: sum(one.runs for one in found) for system, found in groups.items()},
        second_temperature_K=kelvin,
        second_ratios=_ratios(hot, want),
    )
    return finish(here, f"Conductivities, {want.mobile} against {want.reference.name}", columns, rows, facts)


def _results(
    here: Here, transports: Mapping[System, Sequence[TaskOutput[Transported]]]
) -> dict[System, list[Transported]]:
    """What finished, of the systems that anything did of."""
    found = {system: [made.result for made in here.all_made(one)] for system, one in transports.items()}
    return {system: runs for system, runs in found.items() if runs}


def _conductivities(groups: Mapping[System, Sequence[Transported]]) -> dict[System, dict[str, Estimate | None]]:
    """Conductivities of every species of every system; None for the framework that the others move against."""
    return {
        system: {name: conductivity(runs, name) for name in sorted({n for run in runs for n in run.species})}
        for system, runs in groups.items()
    }


def _ratios(found: Mapping[System, Mapping[str, Estimate | None]], want: Conductivities) -> dict[str, Interval]:
    """Conductivity of the mobile ion of every system over that of the reference."""
    reference = interval_of(found.get(want.reference, {}).get(want.mobile))
    return {system.name: interval_of(one.get(want.mobile)).over(reference) for system, one in found.items()}


def conductivity(runs: Sequence[Transported], species: str) -> Estimate | None:
    """Tracer conductivity of a species, pooled over the structures of a system [S/cm]."""
    found = [one.tracer_conductivity_S_per_cm for one in _of_species(runs, species)]
    return pooled([one for one in found if one is not None])


def _of_species(runs: Sequence[Transported], species: str) -> list[SpeciesTransport]:
    return [run.species[species] for run in runs if species in run.species]


@typed_action(ArrheniusLine, Gathered, version=3)
def arrhenius(here: Here, want: ArrheniusLine) -> Product[Gathered]:
    """Item 10, second part: conductivities of one amorphous cell against temperature, with the line through them."""
    rows: list[Sequence[Cell]] = []
    points: dict[str, list[tuple[float, Estimate]]] = {}
    for made in here.all_made(want.points):
        kelvin = made.result.temperature_K
        for name, entry in made.result.species.items():
            sigma = entry.tracer_conductivity_S_per_cm
            if sigma is not None:
                rows.append((kelvin, name, *number(sigma), *number(entry.D_cm2_per_s)))
                points.setdefault(name, []).append((kelvin, sigma))
    energies: dict[str, NoLine | Estimate] = {}
    lines: dict[str, tuple[tuple[float, float, float, float], ...]] = {}
    for name, pairs in points.items():
        try:
            fit = fit_arrhenius([t for t, _ in pairs], [sigma for _, sigma in pairs], "conductivity")
            energies[name], lines[name] = fit.activation_energy, line_of(fit)
        except ConvergenceError as problem:
            energies[name] = NoLine(reason=str(problem))
    rows.sort(key=lambda row: (str(row[1]), row[0]))
    columns = {"temperature": "K", "species": "", **number_columns("sigma", "S/cm"), **number_columns("D", "cm²/s")}
    facts = ArrheniusFacts(system=want.system.name, activation_energy_eV=energies, lines=lines)
    return finish(here, f"Conductivities of {want.system.name} against temperature", columns, rows, facts)


def line_of(fit: ArrheniusFit) -> tuple[tuple[float, float, float, float], ...]:
    """Points of a line and its 95 % band between the temperatures it comes from: T [K], value, low, high."""
    inverse = np.linspace(1.0 / max(fit.used), 1.0 / min(fit.used), _LINE)
    found = [(float(1.0 / one), fit.predict(float(1.0 / one)).value) for one in inverse]
    return tuple((kelvin, one.value or 0.0, one.low, one.high) for kelvin, one in found)
