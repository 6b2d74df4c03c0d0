"""The eleven results in the published order: how each is drawn and what it says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from dopantfit.report import draw_boundary, draw_crystals, draw_glass, findings, scene, style
from dopantfit.report.compare import Published, PublishedBeside, comparisons
from dopantfit.report.words import ranged, rounded
from dopantfit.structures import Host
from dopantfit.study.item import Cell, Item
from dopantfit.study.item_schemas import TernaryFacts, interval_columns, share_column
from dopantfit.study.readings import interval
from dopantfit.study.summary import StudySummary
from dopantfit.workflow.outputs import write_csv

#: Rows of a table on the page; all are in the CSV.
ROWS = 24
#: Columns that the page shows in percent, as its captions do.
_PERCENT = ("acceptance",)
#: The result of other potentials of the fit, which few studies have.
ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Drawn:
    """What there is to know about one result before it is looked at.

    beside: numbers that are drawn and stand in no row. empty: why there is no row. instead: what is drawn then, with
    its numbers; instead_says: what that is.
    note: what columns of the table mean. title and instead_says name ions by their role in the host.
    """

    number: str
    title: str
    draw: Callable[[Item[Any], StudySummary], Figure]
    say: Callable[[Item[Any], StudySummary], str]
    beside: Callable[[Item[Any], StudySummary], Mapping[str, style.Numbers]] = lambda item, study: {}
    empty: str = "nothing contributed to this result"
    instead: Callable[[Item[Any], StudySummary], tuple[Figure, Sequence[str], Sequence[Sequence[Cell]]] | None] = (
        lambda item, study: None
    )
    instead_says: str = ""
    note: str = ""

    def about(self, host: Host) -> "Drawn":
        """The same with the ions of a host in its words."""
        ions = {"mobile": host.mobile, "reducible": host.reducible, "partner": host.substitution.partner}
        title, says = self.title.format_map(ions), self.instead_says.format_map(ions)
        return replace(self, title=title, instead_says=says)


@dataclass(frozen=True)
class TableView:
    """A table as the page shows it. more: rows that only the CSV has. intervals: whether it has any."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    more: int = 0
    intervals: bool = False


@dataclass(frozen=True)
class ResultSection:
    """One result on the page; `missing` says why there is none, `incomplete` what did not contribute."""

    name: str
    number: str
    title: str
    caption: str = ""
    picture: style.Picture | None = None
    table: TableView | None = None
    compared: Sequence[PublishedBeside] = ()
    incomplete: Sequence[str] = ()
    missing: str = ""
    note: str = ""


RESULTS: Mapping[str, Drawn] = {
    "01-dopant-profiles": Drawn(
        "1",
        "Dopant across the boundary before exchange",
        draw_boundary.dopant_profiles,
        findings.dopant_profiles,
        draw_boundary.composition_numbers,
    ),
    "02-acceptance": Drawn(
        "2",
        "Exchange with host ions",
        draw_boundary.acceptance,
        findings.acceptance,
        draw_boundary.profile_numbers,
        note="acceptance: what Metropolis would accept if every attempt were relaxed; accepted: exchanges that the "
        "chain took.",
    ),
    "03-host-profile": Drawn(
        "3",
        "{partner} across the undoped boundary",
        draw_boundary.host_profile,
        findings.host_profile,
        draw_boundary.domain_numbers,
    ),
    "04-site-occupancy": Drawn(
        "4", "Sites in the grain, and volume of the crystals", draw_crystals.site_occupancy, findings.site_occupancy
    ),
    "05-mobile-density": Drawn(
        "5",
        "{mobile} density around the dopant",
        draw_crystals.mobile_density,
        findings.mobile_density,
        draw_crystals.shell_numbers,
        empty="the crystal holds no dopant to look around",
        instead=scene.projections,
        instead_says="Drawn is its {mobile} density, and its change against a crystal that holds none either: noise",
    ),
    "06-crystal-conductivities": Drawn(
        "6",
        "Conductivities of the crystals",
        draw_crystals.conductivities,
        findings.conductivities,
        draw_crystals.ratio_numbers,
    ),
    "07-ternary": Drawn(
        "7", "Composition of the amorphous cells", draw_glass.ternary, findings.ternary, draw_glass.share_numbers
    ),
    "08-reducible-distance": Drawn(
        "8",
        "{reducible}–{reducible} distance and {reducible} density",
        draw_glass.reducible_distance,
        findings.reducible_distance,
    ),
    "09-densities": Drawn("9", "Mass and number density", draw_glass.densities, findings.densities),
    "10-amorphous-conductivities": Drawn(
        "10a",
        "Conductivities of the amorphous cells",
        draw_crystals.conductivities,
        findings.conductivities,
        draw_crystals.ratio_numbers,
    ),
    "10-arrhenius": Drawn(
        "10b",
        "Conductivities against temperature",
        draw_crystals.arrhenius,
        findings.arrhenius,
        draw_crystals.line_numbers,
    ),
    "11-walkers": Drawn("11", "Energies and exchanges of the walkers", draw_boundary.walkers, findings.walkers),
}  # fmt: skip


def sections(study: StudySummary, known: Published, folder: Path) -> list[ResultSection]:
    """Draw every result into `folder` and put it into words, in the published order."""
    return [_section(name, one, study, known, folder) for name, one in RESULTS.items()]


def _section(name: str, result: Drawn, study: StudySummary, known: Published, folder: Path) -> ResultSection:
    item, result = study.items.get(name), result.about(study.host)
    if item is None:
        return ResultSection(name, result.number, result.title, missing=study.why_missing(name))
    caption, picture = _drawn(name, result, item, study, folder) if item.rows else _drawn_instead(
        name, result, item, study, folder)  # fmt: skip
    compared = comparisons(item, study, known)
    table = table_of(item)
    return ResultSection(
        name, result.number, result.title, caption, picture, table, compared, item.missing, note=result.note
    )


def _drawn(name: str, result: Drawn, item: Item[Any], study: StudySummary, folder: Path) -> tuple[str, style.Picture]:
    """Caption and figure of a result."""
    caption, figure = result.say(item, study), result.draw(item, study)
    alt, beside = f"{result.title}. {caption}", result.beside(item, study)
    return caption, style.save(figure, folder, name, alt, *_numbers_of(item), beside)


def _numbers_of(item: Item[Any]) -> style.Numbers:
    """The whole table of a result."""
    return list(item.columns), [[row[column] for column in item.columns] for row in item.rows]


def _drawn_instead(
    name: str, result: Drawn, item: Item[Any], study: StudySummary, folder: Path
) -> tuple[str, style.Picture | None]:
    """Caption of a result without rows, and what there is to be drawn all the same."""
    instead = result.instead(item, study)
    if instead is None:
        return f"Undecided, and nothing to be drawn: {result.empty}.", None
    caption = f"Undecided: {result.empty}. {result.instead_says}."
    figure, columns, rows = instead
    return caption, style.save(figure, folder, name, f"{result.title}. {caption}", columns, rows)


def other_potentials(study: StudySummary, folder: Path) -> ResultSection | None:
    """The systems that were run with other potentials of the fit, as a whole table; None where the study has none."""
    item = study.items.get(ENSEMBLE)
    if item is None:
        return None
    write_csv(folder / f"{ENSEMBLE}.csv", *_numbers_of(item))
    return ResultSection(ENSEMBLE, "", item.title, table=table_of(item, len(item.rows)), incomplete=item.missing)


def table_of(item: Item[Any], limit: int = ROWS) -> TableView:
    """A table with units in its head and rounded numbers, the first `limit` rows; an interval is one column."""
    spread = item.intervals
    parts = {name for one in spread for name in (one, *interval_columns(one))}
    told = [name for name in item.columns if any(row[name] is not None for row in item.rows)]
    columns = [name for name in told if name not in parts] + list(spread)
    labels = item.facts.labels if isinstance(item.facts, TernaryFacts) else ()
    shares = {share_column(label): f"x({label})" for label in labels}
    header = []
    for name in columns:
        unit = "%" if name in _PERCENT else item.columns.get(name) or item.columns.get(interval_columns(name)[2])
        spoken = shares.get(name) or name.replace("sigma", "σ").replace("_", " ")
        header.append(f"{spoken} ({unit})" if unit else spoken)
    rows = [
        [
            ranged(interval(row, name), factor=100.0 if name in _PERCENT else 1.0)
            if name in spread
            else shown(row[name])
            for name in columns
        ]
        for row in item.rows[:limit]
    ]
    return TableView(header, rows, max(0, len(item.rows) - limit), bool(spread))


def shown(value: Cell) -> str:
    """One value as the page shows it."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if value == int(value):
        return f"{value:,.0f}".replace("-", "−")
    # An energy of ten thousand eV changes in its decimals.
    return rounded(value, max(4, len(str(int(abs(value)))) + 2))
