"""What a fit leaves behind: ``potential.toml``, ``fit.json`` and figures, and the tables that people read."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dopantfit.fit.errors_by_group import Comparison, error_tables
from dopantfit.fit.preoptimise import table_entries
from dopantfit.fit.run import Plan, Result, load_potential, starts_as_json
from dopantfit.fit.uncertainty import draw, strongest_correlation
from dopantfit.potential.turnover import turn_overs
from dopantfit.provenance import Record, write_json_atomic
from dopantfit.reference.frames import FRAMES_FILE
from dopantfit.reference.manifest import MANIFEST_FILE

if TYPE_CHECKING:
    from rich.table import Table

POTENTIAL_FILE, RECORD_FILE = "potential.toml", "fit.json"
#: Potentials drawn from the covariance, to carry the uncertainty of the fit into what is computed with it.
ENSEMBLE = 20


def finite(value: float) -> float | None:
    """The value, None where it is infinite: JSON has no word for that."""
    return float(value) if math.isfinite(value) else None


def parameter_entries(plan: Plan, result: Result) -> list[dict[str, Any]]:
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


def compared_potentials(plan: Plan, result: Result) -> dict[str, Any]:
    """The potentials whose errors stand side by side, by role: fitted, and published or start."""
    name = plan.config.compare_with
    other = {"published": load_potential(name, plan.file)} if name else {"start": plan.space.base}
    return {"fitted": result.potential, **other}


def write_fit(plan: Plan, result: Result, folder: Path, started: float) -> dict[str, Any]:
    """Write ``potential.toml``, ``fit.json`` and the figures into ``folder``; returns what ``fit.json`` holds.

    started: ``time.time()`` at the start [s].
    """
    from dopantfit.fit.figures import draw_all

    dopant = plan.config.dopant.label if plan.config.dopant else None
    potentials = compared_potentials(plan, result)
    tables: dict[str, Any] = {}
    comparisons: dict[str, list[Comparison]] = {}
    for role, potential in potentials.items():
        tables[role], comparisons[role] = error_tables(potential, plan.targets, dopant)
    payload = _payload(plan, result, tables, potentials, started)
    result.potential.save(folder / POTENTIAL_FILE)
    write_json_atomic(folder / RECORD_FILE, payload)
    draw_all(plan, result, payload, comparisons, folder)
    return payload


def _payload(
    plan: Plan, result: Result, tables: Mapping[str, Any], potentials: Mapping[str, Any], started: float
) -> dict[str, Any]:
    config, found = plan.config, result.uncertainty
    drawn = draw(found, result.point, ENSEMBLE, np.random.default_rng(config.seed + 1))
    turning = {pair: turn for pair, turn in turn_overs(result.potential).items() if turn}
    return {
        "format": 1,
        "name": config.name,
        "units": {"forces": "eV/Å", "energies": "eV/atom", "radius": "Å", "energy": "eV"},
        "parameters": parameter_entries(plan, result),
        "correlation": found.correlation.tolist(),
        "objective": {
            "start": result.start_cost,
            "cost": result.cost,
            "reduced_chi2": found.reduced_chi2,
            "degrees_of_freedom": found.degrees_of_freedom,
        },
        "preoptimisation": _preoptimisation(plan, result),
        "local": starts_as_json(result),
        "search": {
            "method": config.swarm.method,
            "evaluations": result.evaluations,
            "rejected": result.rejected,
            "generations": [[one.best_so_far, one.best, one.median, one.rejected] for one in result.generations],
        },
        "errors": dict(tables),
        "compared": {role: potential.name for role, potential in potentials.items()},
        "turn_over": {"-".join(pair): {"radius": t.radius, "energy": t.energy} for pair, t in turning.items()},
        "ensemble": {
            "variables": [variable.name for variable in plan.space.variables],
            "values": [plan.space.values(point).tolist() for point in drawn],
        },
        "frames": {
            "train": [target.name for target in plan.targets if not target.held_out],
            "held_out": [target.name for target in plan.targets if target.held_out],
        },
        "seconds": result.seconds,
        "record": Record.of(inputs(plan), config.model_dump(mode="json"), seed=config.seed, started=started).as_dict(),
    }


def _preoptimisation(plan: Plan, result: Result) -> dict[str, Any] | None:
    """The cell before and after, beside its reference, and the parameters that were varied."""
    found = result.preoptimised
    if found is None:
        return None
    values = dict(zip((v.name for v in plan.space.variables), plan.space.values(found.point).tolist(), strict=True))
    return {
        "parameters": {name: values[name] for name in found.names},
        "cell": table_entries(found),
        "objective": {"start": found.cost_before, "cost": found.cost},
        "relaxations": found.evaluations,
    }


def inputs(plan: Plan) -> dict[str, Path]:
    """Every file that the fit read, by name."""
    files = {plan.file.name: plan.file}
    for one in plan.config.sets:
        for name in (FRAMES_FILE, MANIFEST_FILE):
            files[f"{Path(one.path).name}/{name}"] = plan.file.parent / one.path / name
    for name in filter(None, (plan.config.host, plan.config.compare_with)):
        if (plan.file.parent / name).is_file():
            files[name] = plan.file.parent / name
    return files


# --- for people --------------------------------------------------------------------------------------


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """What ``--dry-run`` shows: the free parameters with what informs them, and the frames."""
    return {
        "name": plan.config.name,
        "parameters": [
            {
                "name": variable.name,
                "unit": variable.unit,
                "start": variable.start,
                "bounds": [variable.low, variable.high],
                "scale": variable.scale,
                "frames": about.frames,
                "numbers": about.components,
                "closest": about.closest,
            }
            for variable, about in zip(plan.space.variables, plan.informed, strict=True)
        ],
        "frames": {
            "train": sum(not target.held_out for target in plan.targets),
            "held_out": sum(target.held_out for target in plan.targets),
        },
        "evaluations": plan.config.swarm.particles * (plan.config.swarm.generations + 1),
    }


def plan_table(shown: Mapping[str, Any]) -> "Table":
    """The table of ``--dry-run``."""
    table = _table(
        f"{shown['name']}: {shown['frames']['train']} frames to fit, {shown['frames']['held_out']} held out, "
        f"{shown['evaluations']} candidates in the search",
        ("parameter", "start", "from", "to", "unit", "scale", "frames", "numbers", "closest (Å)"),
    )
    for one in shown["parameters"]:
        closest = "" if one["closest"] is None else f"{one['closest']:.2f}"
        bounds = [f"{bound:.6g}" for bound in one["bounds"]]
        table.add_row(
            one["name"], f"{one['start']:.6g}", *bounds, one["unit"], one["scale"], str(one["frames"]),
            str(one["numbers"]), closest,
        )  # fmt: skip
    return table


def result_tables(payload: Mapping[str, Any]) -> list["Table"]:
    """What ``fit`` prints when it is done: the parameters, and the errors side by side."""
    parameters = _table(
        f"{payload['name']}: ½ Σ residual² {payload['objective']['start']:.6g} → {payload['objective']['cost']:.6g}, "
        f"reduced χ² {payload['objective']['reduced_chi2']:.4g}",
        ("parameter", "value", "± error", "unit", "correlated with", ""),
    )
    for one in payload["parameters"]:
        error = "∞" if one["standard_error"] is None else f"{one['standard_error']:.2g}"
        flags = [word for word, on in (("at bound", one["at_bound"]), ("unidentified", not one["identified"])) if on]
        linked = f"{one['correlated_with']} {one['correlation']:+.2f}"
        parameters.add_row(one["name"], f"{one['value']:.6g}", error, one["unit"], linked, ", ".join(flags))
    roles = list(payload["errors"])
    errors = _table(
        "RMS error, forces in eV/Å and energies within a composition in meV/atom",
        ("side", "kind", "of", "DFT rms", *roles),
    )
    for side in ("train", "held_out"):
        for kind, scale in (("forces", 1.0), ("energies", 1000.0)):
            for entry in payload["errors"][roles[0]].get(side, {}).get(kind, []):
                values = [_same(payload["errors"][role][side][kind], entry) for role in roles]
                texts = ["collapsed" if v is None else f"{scale * v:.4f}" for v in values]
                reference = f"{scale * entry['rms_reference']:.4f}"
                errors.add_row(side.replace("_", " "), entry["kind"], entry["name"], reference, *texts)
    return [parameters, errors]


def _same(entries: list[dict[str, Any]], entry: Mapping[str, Any]) -> float | None:
    found = [one for one in entries if (one["kind"], one["name"]) == (entry["kind"], entry["name"])]
    return float(found[0]["rms_error"]) if found else None


def _table(title: str, columns: tuple[str, ...]) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table
