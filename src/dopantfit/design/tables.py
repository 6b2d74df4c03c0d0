"""A design as people read it on a terminal, and as rows of a CSV."""

from collections.abc import Sequence

from dopantfit.design.cost import CostSpan, DesignCost
from dopantfit.design.record import DesignRecord, GlassRecord, TrialRecord
from dopantfit.report.style import Numbers
from dopantfit.report.words import ranged, rounded
from dopantfit.statistics import Interval, interval_of
from dopantfit.study.item import Cell
from dopantfit.terminal import new_table

#: Densities are shown per 1000 Å³.
PER_NM3 = 1000.0
HEADER = ("trial", "dopant", "at%", "share", "σ", "density", "σ over undoped", "density over undoped", "ps", "status")


def rows_of(record: DesignRecord) -> list[tuple[str, ...]]:
    """The undoped glasses, and all trials, those on the front first."""
    order = ("front", "possible", "dominated", "excluded", "failed")
    trials = sorted(record.trials, key=lambda one: (order.index(one.status), -_sigma(one), one.number))
    undoped = record.undoped
    first = [] if undoped is None else [("–", "none", "0", "–", *_objectives(undoped), "1", "1", _ps(undoped), "")]
    return [*first, *(_row(one, record.reducible) for one in trials)]


def _row(one: TrialRecord, reducible: str) -> tuple[str, ...]:
    percent = one.dose if one.glass is None else one.glass.percent
    objectives = ("", "") if one.glass is None else _objectives(one.glass)
    ratios = (ranged(one.sigma_over_undoped), ranged(one.density_over_undoped))
    share = f"{100 * share_of(one, reducible):.0f} %"
    name = (str(one.number), one.dopant, rounded(percent, 2), share)
    return (*name, *objectives, *ratios, _ps(one.glass), one.status)


def share_of(one: TrialRecord, reducible: str) -> float:
    """Share of the reducible ion among what was replaced, as its glasses have it; as asked for without any."""
    replaced = {} if one.glass is None else one.glass.replaced
    return replaced[reducible] / sum(replaced.values()) if replaced else one.share


def _objectives(glass: GlassRecord) -> tuple[str, str]:
    sigma, density = (interval_of(one) for one in (glass.sigma_S_per_cm, glass.density_per_A3))
    return ranged(sigma), ranged(density, factor=PER_NM3)


def _ps(glass: GlassRecord | None) -> str:
    return "" if glass is None else f"{glass.production_ps:g}"


def _sigma(one: TrialRecord) -> float:
    sigma = None if one.glass is None else one.glass.sigma_S_per_cm
    return 0.0 if sigma is None else sigma.value or 0.0


def units(record: DesignRecord) -> tuple[str, ...]:
    """The header with units and labels."""
    of = record.reducible
    names = {"share": f"{of} of replaced", "σ": f"σ({record.mobile}) S/cm", "density": f"{of} per nm³"}
    names["density over undoped"] = f"{of} over undoped"
    return tuple(names.get(one, one) for one in HEADER)


def design_tables(record: DesignRecord) -> "list[object]":
    """Return the table of a design, and what follows from it, for a terminal."""
    from rich.markup import escape

    table = new_table(f"compositions at {record.temperature_K:g} K, 95 % intervals", *units(record))
    for row in rows_of(record):
        table.add_row(*map(escape, row))
    return [table, *map(escape, lines_of(record))]


def lines_of(record: DesignRecord) -> list[str]:
    """What a design says, in lines."""
    front = ", ".join(str(one.number) for one in record.front) or "none yet"
    possible = [str(one.number) for one in record.trials if one.status == "possible"]
    lines = [f"front    trials {front}" + (f"; not surely worse: {', '.join(possible)}" if possible else "")]
    lines.append(f"next     {following_in_words(record)}")
    lines += [f"grain    {name}: {why}" for name, why in record.grain.items()]
    lines += [f"failed   trial {one.number}: {one.remark}" for one in record.trials if one.status == "failed"]
    lines += [f"gates    {name}: {why}" for name, why in record.gates.items()]
    return lines


def following_in_words(record: DesignRecord) -> str:
    """The composition worth making next, in one sentence."""
    one = record.following
    if one is None:
        return "too little is known to choose"
    sigma, density = ranged(one.sigma_S_per_cm, "S/cm"), ranged(one.density_per_A3, "per nm³", PER_NM3)
    gain = "more than all" if one.gain > 1.0 else f"{100 * one.gain:.2g} %"
    return (
        f"{rounded(one.dose, 2)} at% {one.dopant}, {100 * one.share:.0f} % of it for {record.reducible}: expected "
        f"σ = {sigma}, {record.reducible} {density}; its expected gain is {gain} of the front's hypervolume"
    )


def trial_rows(record: DesignRecord) -> Numbers:
    """Every trial with all its numbers; an end at infinity is left empty."""
    names = ("sigma_S_per_cm", "density_per_A3", "sigma_over_undoped", "density_over_undoped")
    labels = _labels(record)
    columns = ["trial", "dopant", "status", "dose_percent", "share", "percent", "production_ps"]
    columns += [f"x_{label}" for label in labels]
    columns += [f"{name}_{end}" for name in names for end in ("value", "low", "high")]
    rows: list[Sequence[Cell]] = []
    if record.undoped is not None:
        rows.append((0, "none", "undoped", 0.0, None, *_glass_cells(record.undoped, labels), *[None] * 6))
    for one in record.trials:
        if one.glass is not None:
            ratios = [cell for found in (one.sigma_over_undoped, one.density_over_undoped) for cell in ends(found)]
            known = _glass_cells(one.glass, labels)
            rows.append((one.number, one.dopant, one.status, one.dose, one.share, *known, *ratios))
    return columns, rows


def _labels(record: DesignRecord) -> tuple[str, ...]:
    dopants = dict.fromkeys(one.dopant for one in record.trials)
    return (*record.framework, *dopants)


def _glass_cells(glass: GlassRecord, labels: Sequence[str]) -> list[Cell]:
    shares = [glass.shares.get(label, 0.0) for label in labels]
    numbers = [cell for one in (glass.sigma_S_per_cm, glass.density_per_A3) for cell in ends(interval_of(one))]
    return [glass.percent, glass.production_ps, *shares, *numbers]


def ends(one: Interval) -> tuple[Cell, Cell, Cell]:
    """Value, low and high end."""
    content = one.as_dict()
    return content["value"], content["low"], content["high"]


def cost_tables(cost: DesignCost) -> "list[object]":
    """Return what a design will cost, for a terminal."""
    from rich.markup import escape

    table = new_table("what the design costs", "", "no run grows", "all runs grow to the end")
    for name, one in (("ps of dynamics", cost.picoseconds), ("core-hours", cost.core_hours)):
        table.add_row(name, *_both(one))
    table.add_row(f"days on {cost.cores} cores", *_both(cost.days))
    made = (
        f"{cost.trials} compositions, {cost.glasses} glasses of some {cost.ions} ions out of {cost.boundaries} "
        f"boundaries; {cost.seconds_per_ion_ps:.3g} s per ion and ps, from {cost.rates_from}"
    )
    return [table, escape(made)]


def _both(span: CostSpan) -> tuple[str, str]:
    return rounded(span.least), rounded(span.most)
