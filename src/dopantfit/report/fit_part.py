"""The part of the page about the potential: parameters with errors, error budget, gates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dopantfit.errors import ConfigError
from dopantfit.fit.record_schema import FitRecord, FittedParameter
from dopantfit.report import style
from dopantfit.report.exchange_part import ExchangePart, exchange_part
from dopantfit.report.results import TableView
from dopantfit.report.words import listed, rounded
from dopantfit.validate.record_schema import CheckRecord, GateRecord, ValidationRecord
from dopantfit.workflow.names import drawn


@dataclass(frozen=True)
class FitPart:
    """The fit on the page."""

    caption: str
    parameters: TableView
    picture: style.Picture
    errors_caption: str
    errors: style.Picture | None
    exchanges: ExchangePart | None = None


@dataclass(frozen=True)
class GateView:
    """One gate on the page. images: (name, data address)."""

    name: str
    finding: str
    answer: str
    rows: Sequence[Sequence[str]]
    images: Sequence[tuple[str, str]]


def fit_part(fit: FitRecord, folder: Path) -> FitPart:
    """Draw and describe a fit; figures go to `folder`."""
    caption, (errors_caption, errors) = _parameters_said(fit) + _labels_said(fit), _errors(fit, folder)
    exchanges = exchange_part(fit.exchanges, folder) if fit.exchanges else None
    parameters, positions = _parameter_table(fit.parameters), _positions(fit, folder, caption)
    return FitPart(caption, parameters, positions, errors_caption, errors, exchanges)


def _parameters_said(fit: FitRecord) -> str:
    unsure = [one.name for one in fit.parameters if not one.identified]
    bound = [one.name for one in fit.parameters if one.at_bound]
    known = len(fit.parameters) - len(unsure)
    told = f"{known} of {len(fit.parameters)} parameters are identified by the data"
    if unsure:
        told += f"; not {listed(unsure)}"
    return told + (f"; at a bound: {listed(bound)}." if bound else "; none is at a bound.")


def _labels_said(fit: FitRecord) -> str:
    """Which sets are not DFT's word, nor were held against it; nothing where all are."""
    believed = [f"{one.set} ({one.code})" for one in fit.labels if not one.held_against_dft]
    return f" Labels that were never held against DFT: {listed(believed)}." if believed else ""


def _parameter_table(parameters: Sequence[FittedParameter]) -> TableView:
    rows = []
    for one in parameters:
        error = "–" if one.standard_error is None else rounded(one.standard_error, 2)
        flags = ["at bound"] * one.at_bound + ["not identified"] * (not one.identified)
        bounds = f"{rounded(one.bounds[0])} to {rounded(one.bounds[1])}"
        name = f"{one.name} ({one.unit})"
        rows.append((name, rounded(one.value, 5), error, bounds, rounded(one.start, 5), ", ".join(flags)))
    return TableView(("parameter", "value", "std. error", "bounds", "start", ""), rows)


def _positions(fit: FitRecord, folder: Path, caption: str) -> style.Picture:
    """Where every parameter lies between its bounds, with its standard error."""
    figure, (panel,) = style.new_figure(height=0.24 * len(fit.parameters) + 0.9)
    rows: list[tuple[str | float | None, ...]] = []

    def place(one: FittedParameter, value: float) -> float:
        low, high = one.bounds
        if one.scale == "log" and min(low, value) > 0.0:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return min(1.0, max(0.0, (value - low) / (high - low)))

    for number, one in enumerate(reversed(fit.parameters)):
        error = one.standard_error or 0.0
        low, middle, high = (place(one, one.value + sign * error) for sign in (-1.0, 0.0, 1.0))
        colour = _colour(one)
        panel.plot([0.0, 1.0], [number, number], color="0.88", linewidth=4, zorder=0)
        panel.plot([low, high], [number, number], color=colour, linewidth=1.4)
        panel.plot(middle, number, "o" if one.identified else "x", color=colour, markersize=4.5)
        panel.plot(place(one, one.start), number, "|", color="black", markersize=8)
        rows.append((one.name, one.value, one.standard_error, *one.bounds, one.start))
    panel.set_yticks(range(len(fit.parameters)), [one.name for one in reversed(fit.parameters)])
    panel.set_xticks([0.0, 1.0], ["lower bound", "upper bound"])
    panel.set_ylim(-0.6, len(fit.parameters) - 0.4)
    style.label(panel, "value ± standard error (bar: start)", "")
    for colour, marker, said in (
        (style.IDENTIFIED, "o", "identified"),
        (style.NOT_IDENTIFIED, "x", "not identified"),
        (style.AT_BOUND, "_", "at a bound"),
    ):
        panel.plot([], [], marker, color=colour, markersize=4.5, label=said)
    style.legend(panel)
    columns = ("parameter", "value", "standard_error", "low", "high", "start")
    return style.save(figure, folder, "fit-parameters", caption, columns, rows[::-1])


def _colour(one: FittedParameter) -> str:
    if one.at_bound:
        return style.AT_BOUND
    return style.IDENTIFIED if one.identified else style.NOT_IDENTIFIED


def _errors(fit: FitRecord, folder: Path) -> tuple[str, style.Picture | None]:
    """Force errors by species, level by level of the budget where there is one, on held-out frames where there are."""
    levels = _levels(fit)
    side = next((one for one in ("held_out", "train") if all(forces.get(one) for _, forces in levels)), None)
    if side is None:
        return "The fit has no table of force errors.", None
    names = list(levels[0][1][side])
    figure, (panel,) = style.new_figure(height=3.4)
    rows: list[tuple[str | float | None, ...]] = []
    for number, (level, forces) in enumerate(levels):
        heights = [forces[side].get(name, 0.0) for name in names]
        places = [place + 0.8 * (number - 0.5 * (len(levels) - 1)) / len(levels) for place in range(len(names))]
        panel.bar(places, heights, 0.8 / len(levels), color=style.shade_of(number, len(levels)), label=drawn(level))
        rows += [(level, side, name, height) for name, height in zip(names, heights, strict=True)]
    panel.set_xticks(range(len(names)), [name.replace(" and its ", "\nand its\n") for name in names])
    words = "held-out" if side == "held_out" else "training"
    style.label(panel, "", f"RMS force error, {words} frames (eV/Å)")
    panel.set_ylim(top=1.35 * panel.get_ylim()[1])
    style.legend(panel)
    told = "; ".join(
        f"{level} {rounded(forces[side]['all'])} eV/Å" for level, forces in levels if "all" in forces[side]
    )
    count = len(fit.frames.held_out if side == "held_out" else fit.frames.train)
    caption = f"RMS force error on {count} {words} frames: {told}."
    return caption, style.save(
        figure, folder, "fit-errors", caption, ("level", "side", "of", "rms_error_eV_per_A"), rows
    )


def _levels(fit: FitRecord) -> list[tuple[str, dict[str, dict[str, float]]]]:
    """Name and force errors [eV/Å] by side and species, of every level of the budget or every potential compared."""
    if fit.budget:
        return [(level.name, level.forces) for level in fit.budget]
    kinds = ("all", "species", "neighbourhood")
    return [
        (
            role,
            {
                side: {one.name: one.rms_error for one in errors.forces if one.kind in kinds}
                for side, errors in sides.items()
            },
        )
        for role, sides in reversed(fit.errors.items())
    ]


def gate_views(validation: ValidationRecord, folder: Path) -> list[GateView]:
    """Every gate with its numbers, and its images where they lie in `folder`, the folder of its figures."""
    return [
        GateView(
            one.name, one.problem or one.finding, _answer(one), [_check(c) for c in one.checks], _images(one, folder)
        )
        for one in validation.gates
    ]


def _answer(gate: GateRecord) -> str:
    if all(check.decided for check in gate.checks):
        return "yes" if gate.passed else "no"
    return "undecided"


def _check(one: CheckRecord) -> tuple[str, ...]:
    value = "–" if one.value is None else rounded(one.value, 4)
    error = "" if one.error is None else f" ± {rounded(one.error, 2)}"
    low, high = ("∞" if end is None else rounded(end) for end in (one.low, one.high))
    limits = f"{'−' if low == '∞' else ''}{low} to {high}"
    word = ("passed" if one.passed else "failed") + ("" if one.decided else ", within its error")
    return one.name, f"{value}{error}", limits, one.unit, word, one.reason


def _images(gate: GateRecord, folder: Path) -> list[tuple[str, str]]:
    """Names and contents of a gate's figures; ConfigError for a link, which may lead to any file of the machine."""
    found = []
    for name in gate.figures:
        path = folder / Path(name).name
        if path.is_symlink():
            raise ConfigError(f"{path}: is a link, and no figure that a gate drew; put the file there, or remove it")
        if path.is_file():
            found.append((name, style.png_address(path.read_bytes())))
    return found
