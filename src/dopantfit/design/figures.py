"""Figures of a design: its front with error bars, the ternary map of its glasses, and what the search has gained."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dopantfit.design.record import DesignRecord, GlassRecord, TrialRecord
from dopantfit.design.tables import PER_NM3
from dopantfit.report import style
from dopantfit.report.draw_glass import place_of, triangle
from dopantfit.statistics import Interval, interval_of
from dopantfit.structures import Host
from dopantfit.workflow import figures as workflow_figures
from dopantfit.workflow.names import drawn

#: Of what is on the front, of what may be, of what comes next, and of all others.
FRONT, POSSIBLE, NEXT, OTHER = "#D55E00", "#0072B2", "#009E73", "#999999"
#: Points that are drawn nearer than this have one name [pixels].
_TOGETHER = 12.0
#: Of the dopants; the square is the undoped glass.
MARKERS = tuple(one for one in workflow_figures.MARKERS if one != "s")


def draw_front(record: DesignRecord) -> Figure:
    """Conductivity over the density of the reducible ion; bars are 95 % intervals, the line is the front."""
    figure, (panel,) = style.new_figure(height=3.6)
    _line(panel, record)
    for number, dopant in enumerate(dict.fromkeys(one.dopant for one in record.trials)):
        for one in record.trials:
            if one.dopant == dopant and one.glass is not None:
                _point(panel, one.glass, _colour(one), MARKERS[number % len(MARKERS)], str(one.number))
    if record.undoped is not None:
        _point(panel, record.undoped, "black", "s", "undoped")
    if (following := record.following) is not None:
        _bars(panel, following.density_per_A3, following.sigma_S_per_cm, NEXT, "*", "next")
    for colour, name in ((FRONT, "front"), (POSSIBLE, "not surely worse"), (OTHER, "surely worse"), (NEXT, "expected")):
        panel.plot([], [], "o", color=colour, markersize=4.5, label=name)
    style.logarithmic(panel)
    _keep_to_points(panel)
    style.label(panel, f"{drawn(record.reducible)} per nm³", f"σ({drawn(record.mobile)}) (S/cm)")
    style.legend(panel)
    _name(panel)
    return figure


def _line(panel: Any, record: DesignRecord) -> None:
    """The steps of the front through its best estimates."""
    known = [(_interval(one.glass, "density").value, _interval(one.glass, "sigma").value) for one in record.front]
    points = sorted((PER_NM3 * x, y) for x, y in known if x and y)
    if len(points) > 1:
        panel.step(*zip(*points, strict=True), where="post", color=FRONT, linewidth=1.0, alpha=0.6)


def _interval(glass: GlassRecord | None, name: str) -> Interval:
    if glass is None:
        return Interval.unknown()
    return interval_of(glass.sigma_S_per_cm if name == "sigma" else glass.density_per_A3)


def _point(panel: Any, glass: GlassRecord, colour: str, marker: str, name: str) -> None:
    _bars(panel, _interval(glass, "density"), _interval(glass, "sigma"), colour, marker, name)


def _bars(panel: Any, density: Interval, sigma: Interval, colour: str, marker: str, name: str) -> None:
    x = density.high if density.value is None else density.value
    if not isfinite(x):
        return
    spread = [[PER_NM3 * (x - density.low)], [PER_NM3 * (density.high - x)]]
    y = sigma.high if sigma.value is None else sigma.value
    panel.errorbar([PER_NM3 * x], [y], xerr=spread, fmt="none", ecolor=colour, capsize=2, linewidth=0.8, alpha=0.7)
    style.points(panel, [PER_NM3 * x], [sigma], colour, marker)
    panel.plot([PER_NM3 * x], [y], linestyle="none", gid=name)


def _keep_to_points(panel: Any) -> None:
    """End axes at twice the densities and ten times the conductivities of points: few glasses have wide intervals."""
    points = [line.get_xydata()[0] for line in panel.lines if line.get_gid() is not None]
    if not points:
        return
    (densities, sigmas), (low, high) = zip(*points, strict=True), panel.get_ylim()
    if panel.get_xlim()[1] > 2.0 * max(densities):
        panel.set_xlim(0.0, 2.0 * max(densities))
    panel.set_ylim(max(low, min(sigmas) / 10.0), min(high, 10.0 * max(sigmas)))


def _name(panel: Any, offset: tuple[int, int] = (6, 5)) -> None:
    """Write the names of points beside them, those of points that lie on each other together."""
    groups: list[tuple[Any, list[str]]] = []
    for line in panel.lines:
        if line.get_gid() is not None:
            place = line.get_xydata()[0]
            shown = panel.transData.transform(place)
            near = [names for at, names in groups if max(abs(panel.transData.transform(at) - shown)) < _TOGETHER]
            near[0].append(line.get_gid()) if near else groups.append((place, [line.get_gid()]))
    for place, names in groups:
        panel.annotate(drawn(", ".join(names)), place, offset, textcoords="offset points", fontsize=7.5)


def _colour(one: TrialRecord) -> str:
    return {"front": FRONT, "possible": POSSIBLE}.get(one.status, OTHER)


def draw_map(record: DesignRecord, host: Host) -> Figure:
    """Shares of the reducible ion, of the others of the framework and of the dopant, in a triangle."""
    figure, (panel,) = style.new_figure(height=4.0)
    dopants = list(dict.fromkeys(one.dopant for one in record.trials))
    others = [label for label in record.framework if label != record.reducible]
    labels = (record.reducible, "+".join(others), "+".join(dopants))
    triangle(panel, labels, style.Palette(host, labels[2]))
    for one in record.trials:
        if one.glass is not None:
            marker = MARKERS[dopants.index(one.dopant) % len(MARKERS)]
            _corner(panel, _three(one.glass.shares, record.reducible, others), _colour(one), marker, str(one.number))
    if record.undoped is not None:
        _corner(panel, _three(record.undoped.shares, record.reducible, others), "black", "s", "undoped")
    if record.following is not None:
        _corner(panel, _three(record.following.shares, record.reducible, others), NEXT, "*", "next")
    _name(panel, (8, -8))  # below the name of a corner
    return figure


def _three(shares: dict[str, float], reducible: str, others: Sequence[str]) -> tuple[float, float, float]:
    rest = sum(shares.get(label, 0.0) for label in others)
    return shares[reducible], rest, 1.0 - shares[reducible] - rest


def _corner(panel: Any, shares: Sequence[float], colour: str, marker: str, name: str) -> None:
    x, y = place_of(shares)
    panel.plot(x, y, marker, color=colour, markersize=8 if marker == "*" else 5, gid=name)


def draw_progress(record: DesignRecord) -> Figure:
    """Hypervolume of the front after every batch."""
    figure, (panel,) = style.new_figure(height=2.2)
    made = [min(number * record.batch, len(record.trials)) for number in range(1, len(record.hypervolumes) + 1)]
    panel.plot(made, record.hypervolumes, "o-", color="black", markersize=4, linewidth=1)
    panel.set_ylim(0.0, None)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.label(panel, "compositions made", "hypervolume of the front")
    return figure
