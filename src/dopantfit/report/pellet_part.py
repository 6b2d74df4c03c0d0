"""The last result: what changing the boundary does to a pellet, by the brick layer of `dopantfit.ceramic`."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from dopantfit.ceramic.figures import draw_gains, draw_totals
from dopantfit.ceramic.measured import MeasuredSample, measured_of
from dopantfit.ceramic.study_pellet import PelletRow, StudyPellet, pellet_of, why_no_pellet
from dopantfit.ceramic.tables import study_rows
from dopantfit.report import style
from dopantfit.report.results import ResultSection, TableView
from dopantfit.report.words import equal_to, listed, percent_change, ranged, rounded
from dopantfit.study.summary import StudySummary

NAME, NUMBER, TITLE = "pellet", "12", "A pellet with such boundaries"


def pellet_section(study: StudySummary, folder: Path) -> ResultSection:
    """Draw pellets of grains of 0.1 to 10 µm into `folder`, and put them into words; or say why there are none."""
    why = why_no_pellet(study)
    if why:
        return ResultSection(NAME, NUMBER, TITLE, missing=why)
    found = pellet_of(study)
    caption = _caption(found)
    picture = style.save(_draw(found), folder, NAME, f"{TITLE}. {caption}", *study_rows(found))
    note = f"{_note(found)} {_measured(measured_of(study.host.name))}".strip()
    return ResultSection(NAME, NUMBER, TITLE, caption, picture, _table(found), note=note)


def _draw(found: StudyPellet) -> Figure:
    figure, (totals, gains) = style.new_figure(2)
    colours = [style.shade_of(number, len(found.boundaries)) for number in range(len(found.boundaries))]
    draw_totals(totals, found, colours)
    draw_gains(gains, found, colours)
    for panel in (totals, gains):
        panel.set_title("")
        style.label(panel, panel.get_xlabel(), panel.get_ylabel())
    style.legend(totals)
    return figure


def _at_ends(found: StudyPellet, system: str) -> tuple[PelletRow, PelletRow]:
    """The pellets with the smallest and the largest grains."""
    rows = sorted((row for row in found.rows if row.system == system), key=lambda row: row.grain_size)
    return rows[0], rows[-1]


def _caption(found: StudyPellet) -> str:
    doped = [system for system in found.boundaries if system != found.reference]
    if found.reference not in found.boundaries or not doped:
        return f"Undecided: no doped boundary stands beside {found.reference}."
    parts = []
    for system in doped:
        small, large = _at_ends(found, system)
        if small.gain.value is None:
            parts.append(f"undecided with {system}, a bound being all that is known of a conductivity")
            continue
        sizes = f"grains of {small.grain_size:g} µm and {percent_change(large.gain)} at {large.grain_size:g} µm"
        parts.append(f"with {system} by {percent_change(small.gain)} at {sizes}")
    where = f"At {found.temperature:g} K, with boundaries of {rounded(found.thickness)} nm,"
    return f"{where} the conductivity of a pellet changes against {found.reference} {listed(parts)}."


def _table(found: StudyPellet) -> TableView:
    rows = [
        (system, f"{row.grain_size:g}", ranged(row.total), ranged(row.gain))
        for system in found.boundaries
        for row in _at_ends(found, system)
    ]
    header = ("boundary", "grain size (µm)", "σ of the pellet (S/cm)", f"over {found.reference}")
    return TableView(header, rows, len(found.rows) - len(rows), True)


def _note(found: StudyPellet) -> str:
    return (
        f"Brick layer of undoped grains ({equal_to('σ', found.bulk, 'S/cm')}) and boundaries of the glass itself, "
        "dense; cracks and secondary phases of real boundaries are not in it."
    )


def _measured(samples: Sequence[MeasuredSample]) -> str:
    """What was measured of pellets, no part of the result."""
    told = [f"{rounded(one.total)} ({one.name})" for one in samples if one.total is not None]
    return f"Measured at room temperature, for orientation, S/cm: {'; '.join(told)}." if told else ""
