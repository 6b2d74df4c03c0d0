"""Intervals closing on their limits: what every look of a study that goes on until it can tell has said."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dopantfit.report import style
from dopantfit.report.style import Picture
from dopantfit.study.item import Cell
from dopantfit.study.round_record import RoundCheck, Rounds
from dopantfit.study.summary import StudySummary
from dopantfit.terminal import counted

NAME = "rounds"
COLUMNS = ("composition", "quantity", "look", "core_hours", "value", "low", "high", "limit", "answer")
#: Colours of answers (Okabe and Ito), as marks of the page have them.
COLOURS = {"yes": "#009E73", "no": "#D55E00", "undecided": "0.45"}
_HEIGHT = 1.5

#: A check at its looks: core-hours so far, and what was said.
Looks = Sequence[tuple[float, RoundCheck]]


def rounds_picture(study: StudySummary | None, folder: Path) -> Picture | None:
    """Draw every check with a limit, look by look, into `folder`; None for a study of fixed size."""
    rounds = study.record.rounds if study else None
    checks = {} if rounds is None else _checks(rounds)
    if rounds is None or not checks:
        return None
    figure, panels = style.new_figure(len(checks), _HEIGHT)
    for panel, (name, looks) in zip(panels, checks.items(), strict=True):
        _draw(panel, name, looks)
    panels[-1].set_xlabel("core-hours", fontsize="small")
    alt = f"Every check of the verdict at {counted(len(rounds.rounds), 'look')}: its interval and its limit."
    rows = [row for looks in checks.values() for row in _rows(looks)]
    return style.save(figure, folder, NAME, alt, COLUMNS, rows)


def _checks(rounds: Rounds) -> Mapping[tuple[str, str], Looks]:
    found: dict[tuple[str, str], list[tuple[float, RoundCheck]]] = {}
    for one in rounds.rounds:
        for check in one.checks:
            if check.limit is not None:
                found.setdefault((check.composition, check.quantity), []).append((one.core_hours, check))
    return found


def _draw(panel: Any, name: tuple[str, str], looks: Looks) -> None:
    for hours, check in looks:
        style.points(panel, [hours], [check.interval], COLOURS[check.answer])
    limit, at_most = looks[0][1].limit, looks[0][1].at_most
    panel.axhline(limit, color="0.3", linewidth=0.8, linestyle="--")
    style.label(panel, "", "")
    panel.set_title(f"{': '.join(name)} (asked: {'≤' if at_most else '≥'} {limit:g})", fontsize="small", loc="left")
    panel.margins(x=0.1, y=0.2)


def _rows(looks: Looks) -> list[list[Cell]]:
    return [
        [
            check.composition,
            check.quantity,
            number,
            hours,
            check.interval.value,
            check.interval.low,
            check.interval.high,
            check.limit,
            check.answer,
        ]
        for number, (hours, check) in enumerate(looks, start=1)
    ]
