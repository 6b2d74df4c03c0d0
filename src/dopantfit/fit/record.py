"""What a fit leaves behind: ``potential.toml``, ``fit.json``, an ensemble, the levels of the budget, and figures."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dopantfit.fit.ensemble import MEMBERS, save_ensemble
from dopantfit.fit.errors_by_group import FrameComparison, error_tables
from dopantfit.fit.exchange_errors import exchange_record, rms_by_side
from dopantfit.fit.inputs import fit_files, input_digest, label_sources
from dopantfit.fit.preoptimise import table_entries
from dopantfit.fit.record_schema import ExchangeRecord, FitRecord
from dopantfit.fit.run import FitPlan, FitResult, load_potential, starts_as_json
from dopantfit.fit.uncertainty import strongest_correlation
from dopantfit.potential.turnover import turn_overs
from dopantfit.workflow.folders import together
from dopantfit.workflow.lock import held
from dopantfit.workflow.provenance import Provenance, sha256_of
from dopantfit.workflow.schema import parse_content

POTENTIAL_FILE, RECORD_FILE = "potential.toml", "fit.json"
BUDGET_FOLDER, _LEVELS = "budget", "level-*.toml"


def finite(value: float) -> float | None:
    """The value, None where it is infinite: JSON has no word for that."""
    return float(value) if math.isfinite(value) else None


def parameter_entries(plan: FitPlan, result: FitResult) -> list[dict[str, Any]]:
    """One entry per free parameter: value, error, strongest correlation and flags, in the parameter's unit."""
    entries, found = [], result.uncertainty
    for number, (variable, about) in enumerate(zip(plan.space.variables, plan.informed, strict=True)):
        other, correlation = strongest_correlation(found, number)
        entries.append(
            {
                "name": variable.name,
                "unit": variable.unit,
                "start": variable.start,
                "value": float(found.values[number]),
                "standard_error": finite(found.standard_error[number]),
                "bounds": [variable.low, variable.high],
                "scale": variable.scale,
                "at_bound": bool(found.at_bound[number]),
                "identified": bool(found.identified[number]),
                "correlated_with": plan.space.variables[other].name,
                "correlation": correlation,
                "frames": about.frames,
                "closest": about.closest,
            }
        )
    return entries


def compared_potentials(plan: FitPlan, result: FitResult) -> dict[str, Any]:
    """The potentials whose errors stand side by side, by role: fitted, and published or start."""
    name = plan.config.compare_with
    other = {"published": load_potential(name, plan.file)} if name else {"start": plan.space.base}
    return {"fitted": result.potential, **other}


def write_fit(plan: FitPlan, result: FitResult, folder: Path, started: float) -> FitRecord:
    """Write ``potential.toml``, ``fit.json`` and the figures into ``folder``; return what ``fit.json`` holds.

    All appear together, in the place of those of an earlier fit, or none does.
    started: ``time.time()`` at the start [s].
    Raises ConfigError when they cannot be written.
    """
    from dopantfit.fit.figures import draw_all
    from dopantfit.fit.figures_cell import write_cell_table

    dopant = plan.config.dopant.label if plan.config.dopant else None
    potentials = compared_potentials(plan, result)
    tables: dict[str, Any] = {}
    comparisons: dict[str, list[FrameComparison]] = {}
    for role, potential in potentials.items():
        tables[role], comparisons[role] = error_tables(potential, plan.targets, dopant)
    payload = _payload(plan, result, tables, potentials, started)
    exchanged = exchange_record(plan.exchanges, potentials, plan.space.base)
    payload["exchanges"] = None if exchanged is None else exchanged.model_dump(mode="json")
    payload["budget"] = _budget(plan, result, tables, dopant, exchanged)
    with held(folder), together(folder, RECORD_FILE, (*MEMBERS, f"{BUDGET_FOLDER}/{_LEVELS}")) as new:
        result.potential.save(new / POTENTIAL_FILE)
        save_ensemble(result.ensemble, plan.space, result.potential, new)
        _save_levels(result, new / BUDGET_FOLDER)
        draw_all(plan, result, payload, comparisons, potentials, new)
        if result.preoptimised is not None:
            entries = payload["preoptimisation"]["cell"]
            write_cell_table(entries, result.preoptimised.reference.source, new / "figures")
        payload["potential_sha256"] = sha256_of(new / POTENTIAL_FILE)
        record = parse_content(FitRecord, payload)
        record.write(new / RECORD_FILE)
    return record


def _save_levels(result: FitResult, folder: Path) -> None:
    """Write the potential of every level of the error budget."""
    if result.budget:
        folder.mkdir()
    for number, level in enumerate(result.budget, 1):
        level.potential.save(folder / f"level-{number}.toml")


def _budget(
    plan: FitPlan, result: FitResult, tables: Mapping[str, Any], dopant: str | None, exchanged: ExchangeRecord | None
) -> list[dict[str, Any]]:
    """Errors of every level, the potentials that are compared first; empty where the file has no budget."""
    if not result.budget:
        return []
    free, last = len(plan.space.variables), result.cost
    entries = [_level_entry(role, 0, None, tables[role]) for role in tables if role != "fitted"]
    entries.append(_level_entry("fitted", free, last, tables["fitted"]))
    for level in result.budget:
        found, _ = error_tables(level.potential, plan.targets, dopant)
        entries.append(_level_entry(level.name, level.free, level.cost, found) | {"converged": level.converged})
    return entries if exchanged is None else _with_exchanges(entries, plan, result, exchanged)


def _with_exchanges(
    entries: list[dict[str, Any]], plan: FitPlan, result: FitResult, exchanged: ExchangeRecord
) -> list[dict[str, Any]]:
    """The levels with the RMS error of their exchange energies."""
    levels = {level.name: level.potential for level in result.budget}
    of_levels = exchange_record(plan.exchanges, levels, plan.space.base) or exchanged
    return [
        one | {"exchanges": rms_by_side(of_levels if one["name"] in levels else exchanged, one["name"])}
        for one in entries
    ]


def _level_entry(name: str, free: int, cost: float | None, tables: Mapping[str, Any]) -> dict[str, Any]:
    """forces: RMS error [eV/Å] by side and species. energies: of all compositions [eV/atom] by side."""
    kinds = ("all", "species", "neighbourhood")
    forces = {
        side: {one["name"]: one["rms_error"] for one in table["forces"] if one["kind"] in kinds}
        for side, table in tables.items()
    }
    energies = {side: table["energies"][0]["rms_error"] for side, table in tables.items() if table["energies"]}
    return {"name": name, "free": free, "cost": cost, "forces": forces, "energies": energies}


def _payload(
    plan: FitPlan, result: FitResult, tables: Mapping[str, Any], potentials: Mapping[str, Any], started: float
) -> dict[str, Any]:
    config, found = plan.config, result.uncertainty
    names = [variable.name for variable in plan.space.variables]
    turning = {pair: turn for pair, turn in turn_overs(result.potential).items() if turn}
    return {
        "format": 1,
        "name": config.name,
        "units": {"forces": "eV/Å", "energies": "eV/atom", "radius": "Å", "energy": "eV"},
        "parameters": parameter_entries(plan, result),
        "correlation": found.correlation.tolist(),
        **_course(result),
        "preoptimisation": _preoptimisation(plan, result),
        "errors": dict(tables),
        "compared": {role: potential.name for role, potential in potentials.items()},
        "turn_over": {"-".join(pair): {"radius": t.radius, "energy": t.energy} for pair, t in turning.items()},
        "sensitivity": {
            "kinds": list(result.sensitivity.kinds),
            "norms": dict(zip(names, result.sensitivity.norms.tolist(), strict=True)),
        },
        "ensemble": [
            {
                "name": one.name,
                "kind": one.kind,
                "cost": one.cost,
                "values": dict(zip(names, one.values.tolist(), strict=True)),
            }
            for one in result.ensemble
        ],
        "frames": {
            "train": [target.name for target in plan.targets if not target.held_out],
            "held_out": [target.name for target in plan.targets if target.held_out],
        },
        "labels": label_sources(plan.config, plan.file.parent),
        "seconds": result.seconds,
        "held": [one.model_dump() for one in plan.held],
        "record": Provenance.of(
            fit_files(config, plan.file),
            config.model_dump(mode="json"),
            seed=config.seed,
            started=started,
            digest=input_digest,
        ).as_dict(),
    }


def _course(result: FitResult) -> dict[str, Any]:
    """How the minimum was found: costs, the search by generations, and every local refinement."""
    found = result.uncertainty
    return {
        "objective": {
            "start": result.start_cost,
            "cost": result.cost,
            "reduced_chi2": found.reduced_chi2,
            "degrees_of_freedom": found.degrees_of_freedom,
        },
        "search": {
            "method": result.plan.config.swarm.method,
            "evaluations": result.evaluations,
            "rejected": result.rejected,
            "expansion": result.expansion,
            "generations": [
                [one.best_so_far, one.best, one.median, one.rejected, one.spread] for one in result.generations
            ],
        },
        "local": starts_as_json(result),
    }


def _preoptimisation(plan: FitPlan, result: FitResult) -> dict[str, Any] | None:
    """The cell before and after, beside its reference, and the parameters that were varied."""
    found = result.preoptimised
    if found is None:
        return None
    values = dict(zip((v.name for v in plan.space.variables), plan.space.values(found.point).tolist(), strict=True))
    return {
        "parameters": {name: values[name] for name in found.names},
        "source": found.reference.source,
        "cell": table_entries(plan.space, found, result.fitted_cell, result.values),
        "objective": {"start": found.cost_before, "cost": found.cost},
        "relaxations": found.evaluations,
    }
