"""The eleven results in the published order: how each is drawn and what it says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from dopantfit.report import draw_boundary, draw_crystals, draw_glass, findings, style
from dopantfit.report.compare import Comparison, Published, comparisons
from dopantfit.report.records import Item, Study
from dopantfit.report.words import interval, ranged, rounded
from dopantfit.study.files import Cell

#: Rows of a table on the page; all are in the CSV.
ROWS = 24


@dataclass(frozen=True)
class Result:
    """What there is to know about one result before it is looked at."""

    number: str
    title: str
    draw: Callable[[Item, Study], Figure]
    say: Callable[[Item, Study], str]
    empty: str = "nothing contributed to this result"


@dataclass(frozen=True)
class TableView:
    """A table as the page shows it. more: rows that only the CSV has. intervals: whether it has any."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    more: int = 0
    intervals: bool = False


@dataclass(frozen=True)
class Section:
    """One result on the page; `missing` says why there is none, `incomplete` what did not contribute."""

    name: str
    number: str
    title: str
    caption: str = ""
    picture: style.Picture | None = None
    table: TableView | None = None
    compared: Sequence[Comparison] = ()
    incomplete: Sequence[str] = ()
    missing: str = ""


RESULTS: Mapping[str, Result] = {
    "01-dopant-profiles": Result(
        "1", "Dopant across the boundary before exchange", draw_boundary.dopant_profiles, findings.dopant_profiles
    ),
    "02-acceptance": Result("2", "Exchange with host ions", draw_boundary.acceptance, findings.acceptance),
    "03-host-profile": Result("3", "Al across the undoped boundary", draw_boundary.host_profile, findings.host_profile),
    "04-site-occupancy": Result(
        "4", "Sites in the grain, and volume of the crystals", draw_crystals.site_occupancy, findings.site_occupancy
    ),
    "05-li-density": Result(
        "5",
        "Li density around the dopant",
        draw_crystals.li_density,
        findings.li_density,
        "the crystal holds no dopant to look around",
    ),
    "06-crystal-conductivities": Result(
        "6", "Conductivities of the crystals", draw_crystals.conductivities, findings.conductivities
    ),
    "07-ternary": Result("7", "Composition of the amorphous cells", draw_glass.ternary, findings.ternary),
    "08-reducible-distance": Result(
        "8", "Ti–Ti distance and Ti density", draw_glass.reducible_distance, findings.reducible_distance
    ),
    "09-densities": Result("9", "Mass and number density", draw_glass.densities, findings.densities),
    "10-amorphous-conductivities": Result(
        "10a", "Conductivities of the amorphous cells", draw_crystals.conductivities, findings.conductivities
    ),
    "10-arrhenius": Result(
        "10b", "Conductivities against temperature", draw_crystals.arrhenius, findings.arrhenius
    ),
    "11-walkers": Result("11", "Energies and exchanges of the walkers", draw_boundary.walkers, findings.walkers),
}  # fmt: skip


def sections(study: Study, known: Published, folder: Path) -> list[Section]:
    """Draw every result into `folder` and put it into words, in the published order."""
    return [_section(name, one, study, known, folder) for name, one in RESULTS.items()]


def _section(name: str, result: Result, study: Study, known: Published, folder: Path) -> Section:
    item = study.items.get(name)
    if item is None:
        return Section(name, result.number, result.title, missing=study.why_missing(name))
    columns, table = list(item.columns), table_of(item)
    rows: list[Sequence[Cell]] = [[row[column] for column in columns] for row in item.rows]
    caption, picture = f"Undecided: {result.empty}.", None
    if rows:
        caption = result.say(item, study)
        picture = style.save(result.draw(item, study), folder, name, f"{result.title}. {caption}", columns, rows)
    compared = comparisons(item, study, known)
    return Section(name, result.number, result.title, caption, picture, table, compared, item.missing)


def table_of(item: Item) -> TableView:
    """A table with units in its head and rounded numbers, the first rows of it; an interval is one column."""
    spread = [name.removesuffix("_low") for name in item.columns if name.endswith("_low")]
    parts = {f"{one}_{end}" for one in spread for end in ("value", "error", "low", "high")} | set(spread)
    told = [name for name in item.columns if any(row[name] is not None for row in item.rows)]
    columns = [name for name in told if name not in parts] + spread
    header = []
    for name in columns:
        unit = item.columns.get(name) or item.columns.get(f"{name}_low")
        header.append(f"{_spoken(name)} ({unit})" if unit else _spoken(name))
    rows = [
        [ranged(interval(row, name)) if name in spread else shown(row[name]) for name in columns]
        for row in item.rows[:ROWS]
    ]
    return TableView(header, rows, max(0, len(item.rows) - ROWS), bool(spread))


def _spoken(name: str) -> str:
    if name.startswith("x_"):
        return f"x({name[2:]})"
    return name.replace("sigma", "σ").replace("_", " ")


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
