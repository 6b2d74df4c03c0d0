"""Exchange energies of a fit on the page: what the reference says against what the potentials do, by partner."""

from dataclasses import dataclass
from pathlib import Path

from dopantfit.fit.record_schema import ExchangeErrors, ExchangeRecord
from dopantfit.report import style
from dopantfit.report.results import TableView
from dopantfit.report.words import rounded
from dopantfit.workflow.names import drawn

#: Of partners, in the order in which they come.
_COLOURS = ("#0072B2", "#009E73", "#E69F00", "#56B4E9", "#CC79A7")
_MARKERS = ("o", "x", "+", "d")


@dataclass(frozen=True)
class ExchangePart:
    """The exchange energies of a fit on the page."""

    caption: str
    picture: style.Picture
    table: TableView


def exchange_part(record: ExchangeRecord, folder: Path) -> ExchangePart:
    """Draw and describe the exchange energies of a fit; the figure goes to `folder`."""
    roles = list(record.errors[0].rms_error)
    caption = _said(record, roles)
    return ExchangePart(caption, _picture(record, roles, folder, caption), _table(record, roles))


def _said(record: ExchangeRecord, roles: list[str]) -> str:
    """RMS errors of everything on one side, of each potential."""
    sides = {one.side: one for one in record.errors if one.partner == "all"}
    told = []
    for side, words in (("train", "fitted"), ("held_out", "held out")):
        if side in sides:
            errors = [f"{role} {_value(sides[side].rms_error[role])}" for role in roles]
            told.append(f"of {sides[side].exchanges} that were {words}: {', '.join(errors)}")
    return (
        f"Relaxed energies of the dopant on another cation's place, RMS error in eV {'; '.join(told)}. An error of "
        "0.086 eV is a factor of e at 1000 K."
    )


def _value(value: float | None) -> str:
    return "not at rest" if value is None else rounded(value)


def _picture(record: ExchangeRecord, roles: list[str], folder: Path, caption: str) -> style.Picture:
    figure, (panel,) = style.new_figure(height=3.4)
    partners = list(dict.fromkeys(one.partner for one in record.energies))
    rows: list[tuple[str | float | None, ...]] = []
    for one in record.energies:
        colour = _COLOURS[partners.index(one.partner) % len(_COLOURS)]
        for role, marker in zip(roles, _MARKERS, strict=False):
            energy = one.energies[role]
            face = "white" if one.held_out and marker == "o" else colour
            if energy is not None:
                panel.plot(one.reference, energy, marker, color=colour, markerfacecolor=face, markersize=4.5)
            rows.append((one.name, one.partner, "held_out" if one.held_out else "train", role, one.reference, energy))
    values = [value for row in rows for value in row[4:] if isinstance(value, float)]
    ends = [min(values), max(values)]
    panel.plot(ends, ends, color="0.7", linewidth=1, zorder=0)
    for number, partner in enumerate(partners):
        panel.plot([], [], "s", color=_COLOURS[number % len(_COLOURS)], markersize=4.5, label=drawn(partner))
    for role, marker in zip(roles, _MARKERS, strict=False):
        panel.plot([], [], marker, color="black", markersize=4.5, label=drawn(role))
    panel.plot([], [], "o", color="black", markerfacecolor="white", markersize=4.5, label="held out")
    style.label(panel, "exchange energy, reference (eV)", "potential (eV)")
    style.legend(panel)
    columns = ("exchange", "partner", "side", "potential", "reference_eV", "energy_eV")
    return style.save(figure, folder, "fit-exchanges", caption, columns, rows)


def _table(record: ExchangeRecord, roles: list[str]) -> TableView:
    heads = [f"{role}, {kind} (eV)" for role in roles for kind in ("bias", "rms")]
    return TableView(
        ("side", "partner", "number", "reference, mean (eV)", *heads), [_row(one, roles) for one in record.errors]
    )


def _row(one: ExchangeErrors, roles: list[str]) -> tuple[str, ...]:
    values = [_value(value) for role in roles for value in (one.bias[role], one.rms_error[role])]
    return one.side.replace("_", " "), one.partner, str(one.exchanges), rounded(one.reference), *values
