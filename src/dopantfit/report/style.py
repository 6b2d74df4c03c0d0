"""How figures look: colours that colour-blind eyes tell apart, bounds drawn as bounds, SVG for the page and PDF."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from dopantfit.statistics import Interval
from dopantfit.structures import Host
from dopantfit.study.boundary_stage import DomainSpans
from dopantfit.study.ions import MovingIon
from dopantfit.study.item import Cell
from dopantfit.study.summary import StudySummary
from dopantfit.workflow import figures as workflow_figures
from dopantfit.workflow.names import drawn
from dopantfit.workflow.outputs import write_csv, write_figure
from dopantfit.workflow.provenance import write_text_atomic

if TYPE_CHECKING:
    from jinja2 import Environment

#: Colours of ions (Okabe & Ito); a dopant is always vermilion, whatever its element.
DOPANT, OTHER, GREY = "#D55E00", "#CC79A7", "#666666"
#: Colours of no ion: what the data say of a parameter of the fit.
IDENTIFIED, NOT_IDENTIFIED, AT_BOUND = "#000000", GREY, "#882255"
SHADES = {"grain": "#dbe7f3", "complexion": "#fbe3cf", "amorphous": "#efefef"}
#: Width of a figure [inch]: text of 8 points stays readable where a page is 390 pixels wide.
WIDTH = 4.7
_SMALL, _TEXT = 7.5, 8.5


#: Names of columns, and rows of values.
Numbers = tuple[Sequence[str], Sequence[Sequence[Cell]]]


@dataclass(frozen=True)
class Picture:
    """A figure of the page. source: the image as a data address. csv: names of the files of its numbers."""

    name: str
    source: str
    alt: str
    csv: tuple[str, ...]


@dataclass(frozen=True)
class Palette:
    """How the ions of a host and its dopant look: by their role, so that the same roles look alike in any host."""

    host: Host
    dopant: str

    def colour(self, label: str) -> str:
        """Colour of a label such as ``A`` or ``A on B``."""
        ion = MovingIon.named(label).label
        return DOPANT if ion == self.dopant else self._looks.get(ion, (OTHER, "h", "d"))[0]

    def marker(self, label: str) -> str:
        """Marker of a label; dopants on different sites differ."""
        ion = MovingIon.named(label)
        if ion.label == self.dopant:
            return self._looks.get(ion.site or "", (OTHER, "h", "d"))[2]
        return self._looks.get(ion.label, (OTHER, "h", "d"))[1]

    @property
    def _looks(self) -> dict[str, tuple[str, str, str]]:
        """Colour, marker, and marker of a dopant on such a site, by label."""
        unit, rule = self.host.polyanion, self.host.substitution
        return {
            unit.ligand: ("#999999", "x", "d"),
            unit.centre: ("#E69F00", "P", "d"),
            rule.partner: ("#56B4E9", "s", "D"),
            rule.replaced: ("#0072B2", "^", "v"),
            self.host.mobile: ("#009E73", "o", "*"),
        }


def palette(study: StudySummary) -> Palette:
    """How the ions of a study look."""
    return Palette(study.host, study.dopant)


def shade_of(number: int, count: int) -> Any:
    """Colour of composition `number` of `count`: cividis, from low to high dose."""
    return matplotlib.colormaps["cividis"](0.05 + 0.8 * (number / max(1, count - 1)))


def templates(package: str) -> "Environment":
    """What makes pages from the templates of a package: text is escaped, and what is not given an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def new_figure(rows: int = 1, height: float = 2.7) -> tuple[Figure, list[Any]]:
    """Return a figure with panels below each other; height of one [inch]."""
    figure, panels = workflow_figures.new_figure(WIDTH, height * rows, rows)
    return figure, list(panels[:, 0])


def label(panel: Any, x: str, y: str) -> None:
    """Name the axes, with units."""
    panel.set_xlabel(x, fontsize=_TEXT)
    panel.set_ylabel(y, fontsize=_TEXT)
    panel.tick_params(which="both", labelsize=_SMALL)
    panel.spines[["top", "right"]].set_visible(False)


def legend(panel: Any, columns: int = 4) -> None:
    """Say what is what above the panel, where it covers nothing."""
    if panel.get_legend_handles_labels()[1]:
        panel.legend(
            fontsize=_SMALL,
            ncols=columns,
            frameon=False,
            handlelength=1.2,
            columnspacing=1.0,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
        )


def logarithmic(panel: Any) -> None:
    """Make y logarithmic, with room for the arrows of bounds."""
    workflow_figures.logarithmic(panel, "y")
    panel.margins(y=0.15)


def named_ticks(panel: Any, names: Sequence[str]) -> None:
    """Put systems along x."""
    panel.set_xticks(range(len(names)), [drawn(name) for name in names], fontsize=_SMALL)
    panel.set_xlim(-0.6, len(names) - 0.4)


def points(
    panel: Any,
    places: Sequence[float],
    found: Sequence[Interval],
    colour: Any,
    marker: str = "o",
    name: str | None = None,
    factor: float = 1.0,
) -> None:
    """Draw numbers with their 95 % intervals; an upper bound is an open marker with an arrow down."""
    for place, one in zip(places, found, strict=True):
        if one.value is not None:
            low, high = one.value - one.low, one.high - one.value
            spread = [[max(0.0, factor * low)], [max(0.0, factor * high)]]
            panel.errorbar(
                place, factor * one.value, yerr=spread, fmt=marker, color=colour, markersize=4.5, capsize=2, linewidth=1
            )
        elif one.high < float("inf"):
            panel.plot(place, factor * one.high, marker, color=colour, markerfacecolor="white", markersize=4.5)
            panel.annotate(
                "",
                (place, factor * one.high),
                (0, -14),
                textcoords="offset points",
                arrowprops={"arrowstyle": "<-", "color": colour, "linewidth": 1},
            )
    if name is not None and any(one.high < float("inf") for one in found):
        panel.plot([], [], marker, color=colour, markersize=4.5, label=drawn(name))


def spans_of(domains: DomainSpans | None, name: str) -> Sequence[tuple[float, float]]:
    """Stretches of a domain as fractions of the cell; none where they are not known."""
    found: Sequence[tuple[float, float]] = () if domains is None else getattr(domains, name)
    return found


def shade_domains(panel: Any, domains: DomainSpans | None, length: float) -> None:
    """Shade grain, complexion and amorphous phase along the normal; one that wraps around is drawn at both ends."""
    for name, colour in SHADES.items():
        shown: str | None = name
        for low, high in spans_of(domains, name):
            for image in (-1, 0, 1):
                start, end = max(0.0, low + image), min(1.0, high + image)
                if end > start:
                    panel.axvspan(start * length, end * length, color=colour, label=shown, linewidth=0, zorder=0)
                    shown = None
    panel.set_xlim(0.0, length)


def save(
    figure: Figure,
    folder: Path,
    name: str,
    alt: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    beside: Mapping[str, Numbers] | None = None,
) -> Picture:
    """Write ``name.pdf``, ``.svg`` and ``.csv`` into `folder`; return the picture. Same numbers, same bytes.

    beside: numbers of panels that the table does not hold; ``name-<key>.csv``.
    """
    write_figure(figure, folder / f"{name}.pdf", figure.dpi, undated=True)
    drawn = svg_of(figure, name)
    write_text_atomic(folder / f"{name}.svg", drawn)
    tables = {name: (columns, rows)} | {f"{name}-{key}": numbers for key, numbers in (beside or {}).items()}
    for table, numbers in tables.items():
        write_csv(folder / f"{table}.csv", *numbers)
    return Picture(name, data_address(drawn.encode(), "image/svg+xml"), alt, tuple(f"{one}.csv" for one in tables))


def svg_of(figure: Figure, name: str) -> str:
    """Return a figure as SVG; `name` makes its inner names its own."""
    drawn = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    return drawn.getvalue()


def png_address(content: bytes) -> str:
    """Return a PNG as an address, in the 128 colours that suit it best: a third of the size, and lines look the same.

    Bytes that are no picture go as they are.
    """
    drawn = io.BytesIO()
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(drawn, "PNG", optimize=True)
    except (OSError, ValueError):
        return data_address(content, "image/png")
    return data_address(min(drawn.getvalue(), content, key=len), "image/png")


def data_address(content: bytes, kind: str) -> str:
    """Return bytes as an address that needs no network."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
