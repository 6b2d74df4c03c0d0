"""The tables that people read: what would be fitted, what was found, how far it is from DFT, where the error lives."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dopantfit.fit.record_schema import (
    EnergyError,
    ExchangeRecord,
    FitRecord,
    ForceError,
    LevelErrors,
    SideErrors,
    StressError,
)
from dopantfit.fit.run import FitPlan

if TYPE_CHECKING:
    from rich.table import Table

GroupError = ForceError | EnergyError | StressError


def plan_as_json(plan: FitPlan) -> dict[str, Any]:
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
        "held": [one.model_dump() for one in plan.held],
        **_planned_exchanges(plan),
        "evaluations": plan.config.swarm.particles * (plan.config.swarm.generations + 1),
    }


def _planned_exchanges(plan: FitPlan) -> dict[str, Any]:
    """How many exchanges would be fitted and held out; nothing where the file names none."""
    count = {
        "train": sum(not one.held_out for one in plan.exchanges),
        "held_out": sum(one.held_out for one in plan.exchanges),
    }
    return {"exchanges": count} if plan.exchanges else {}


def plan_table(shown: Mapping[str, Any]) -> "Table":
    """The table of ``--dry-run``."""
    exchanges = shown.get("exchanges")
    also = f"{exchanges['train']} exchanges to fit, {exchanges['held_out']} held out, " if exchanges else ""
    table = _table(
        f"{shown['name']}: {shown['frames']['train']} frames to fit, {shown['frames']['held_out']} held out, {also}"
        f"{shown['evaluations']} candidates in the search",
        ("parameter", "start", "from", "to", "unit", "scale", "frames", "numbers", "closest (Å)"),
    )
    for one in shown["parameters"]:
        closest = "" if one["closest"] is None else f"{one['closest']:.2f}"
        bounds = [f"{bound:.6g}" for bound in one["bounds"]]
        _add_row(
            table, one["name"], f"{one['start']:.6g}", *bounds, one["unit"], one["scale"], str(one["frames"]),
            str(one["numbers"]), closest,
        )  # fmt: skip
    for one in shown["held"]:
        value, closest = f"{one['value']:.6g}", "" if one["closest"] is None else f"{one['closest']:.2f}"
        _add_row(table, one["name"], value, "held", "", one["unit"], "", "", "", closest)
    return table


def result_tables(record: FitRecord) -> list["Table"]:
    """What ``fit`` prints when it is done: the parameters, and the errors side by side."""
    chi = "∞" if record.objective.reduced_chi2 is None else f"{record.objective.reduced_chi2:.4g}"
    parameters = _table(
        f"{record.name}: ½ Σ residual² {record.objective.start:.6g} → {record.objective.cost:.6g}, reduced χ² {chi}",
        ("parameter", "value", "± error", "unit", "correlated with", ""),
    )
    for one in record.parameters:
        error = "∞" if one.standard_error is None else f"{one.standard_error:.2g}"
        flags = [word for word, on in (("at bound", one.at_bound), ("unidentified", not one.identified)) if on]
        linked = f"{one.correlated_with} {one.correlation:+.2f}"
        _add_row(parameters, one.name, f"{one.value:.6g}", error, one.unit, linked, ", ".join(flags))
    held = [_held_table(record)] if record.held else []
    roles = list(record.errors)
    errors = _table(
        "RMS error, forces in eV/Å, energies within a composition in meV/atom, fitted stresses in GPa",
        ("side", "kind", "of", "DFT rms", *roles),
    )
    for side, first in record.errors[roles[0]].items():
        for kind, scale in (("forces", 1.0), ("energies", 1000.0), ("stresses", 1.0)):
            for entry in _of_kind(first, kind):
                values = [_same(_of_kind(record.errors[role][side], kind), entry) for role in roles]
                texts = ["collapsed" if v is None else f"{scale * v:.4f}" for v in values]
                reference = f"{scale * entry.rms_reference:.4f}"
                of = f"{entry.name} (stress)" if kind == "stresses" else entry.name
                _add_row(errors, side.replace("_", " "), entry.kind, of, reference, *texts)
    exchanges = [_exchange_table(record.exchanges)] if record.exchanges else []
    budget = [_budget_table(record.budget)] if record.budget else []
    return [parameters, *held, errors, *exchanges, *budget]


def _exchange_table(record: ExchangeRecord) -> "Table":
    """Bias and RMS error of the exchange energies, partner by partner."""
    roles = list(record.errors[0].rms_error)
    table = _table(
        "Exchange energies, both ends relaxed: mean of the reference, bias and RMS error in eV",
        ("side", "partner", "number", "reference", *(f"{role} {kind}" for role in roles for kind in ("bias", "rms"))),
    )
    for one in record.errors:
        values = [value for role in roles for value in (one.bias[role], one.rms_error[role])]
        signs = ["+", ""] * len(roles)
        texts = [
            "not at rest" if value is None else f"{value:{sign}.3f}" for value, sign in zip(values, signs, strict=True)
        ]
        _add_row(table, one.side.replace("_", " "), one.partner, str(one.exchanges), f"{one.reference:+.3f}", *texts)
    return table


def _held_table(record: FitRecord) -> "Table":
    """What was kept at its start."""
    table = _table(
        "Held at their starts: their ions do not come near in the frames", ("parameter", "value", "unit", "Å")
    )
    for one in record.held:
        _add_row(table, one.name, f"{one.value:.6g}", one.unit, "" if one.closest is None else f"{one.closest:.2f}")
    return table


def _of_kind(errors: SideErrors, kind: str) -> Sequence[GroupError]:
    found: dict[str, Sequence[GroupError]] = {
        "forces": errors.forces,
        "energies": errors.energies,
        "stresses": errors.stresses,
    }
    return found[kind]


def _budget_table(levels: Sequence[LevelErrors]) -> "Table":
    """Errors of every level side by side."""
    table = _table(
        "Error budget: RMS error of forces in eV/Å, of energies within compositions in meV/atom, of exchanges in meV",
        ("side", "of", *(f"{level.name} ({level.free} free)" for level in levels)),
    )
    for side, names in levels[0].forces.items():
        for name in names:
            texts = [f"{level.forces[side][name]:.3f}" for level in levels]
            _add_row(table, side.replace("_", " "), name, *texts)
        energies = [level.energies.get(side) for level in levels]
        texts = ["" if energy is None else f"{1000 * energy:.2f}" for energy in energies]
        _add_row(table, side.replace("_", " "), "energies", *texts)
        if any(side in level.exchanges for level in levels):
            rms = [level.exchanges.get(side) for level in levels]
            _add_row(table, side.replace("_", " "), "exchanges", *("" if v is None else f"{1000 * v:.0f}" for v in rms))
    return table


def _same(entries: Sequence[GroupError], entry: GroupError) -> float | None:
    found = [one for one in entries if (one.kind, one.name) == (entry.kind, entry.name)]
    return found[0].rms_error if found else None


def _table(title: str, columns: tuple[str, ...]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    # As text: names that people gave (of the fit, of levels of its budget) are no markup.
    table = Table(title=Text(title, style="table.title"), title_justify="left")
    table.add_column(Text(columns[0]), no_wrap=True)
    for column in columns[1:]:
        table.add_column(Text(column), justify="right")
    return table


def _add_row(table: "Table", *texts: str) -> None:
    from rich.text import Text

    table.add_row(*(Text(text) for text in texts))
