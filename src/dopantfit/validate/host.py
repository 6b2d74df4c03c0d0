"""Gate d: the host's cells and their trend with substitution, first peaks at 300 K, and anisotropic expansion."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from ase import Atoms

from dopantfit.lammps import Dynamics
from dopantfit.statistics import standard_error
from dopantfit.structures.hosts import MeasuredCell
from dopantfit.transport import PairDistribution, Trajectory, pair_distribution
from dopantfit.validate.dynamics import Share, mean_with_error, run, seed_of, trajectory_of
from dopantfit.validate.figures import COLOURS, MARKERS, label, new_figure, save_figure
from dopantfit.validate.gate import Check, Gate, GateWork
from dopantfit.validate.structures import at_rest
from dopantfit.validate.subject import Subject

#: Temperatures of the expansion [K]; peaks are taken at the first.
TEMPERATURES = (300.0, 900.0)
#: First peaks lie below this [Å].
_REACH = 3.2
#: Part of the work that relaxation is.
_STATIC = 0.3


@dataclass(frozen=True)
class RelaxedCells:
    """Relaxed cells of one composition: a, c [Å] and V [Å³] of every arrangement, ``shape=(n, 3)``."""

    measured: MeasuredCell
    values: np.typing.NDArray[np.float64]

    def against(self, column: int, reference: float) -> tuple[float, float | None]:
        """Relative deviation of the mean from a reference [%], and its standard error; None for one arrangement."""
        values = 100.0 * (self.values[:, column] / reference - 1.0)
        error = standard_error(values) if len(values) > 1 else None
        return float(values.mean()), error


def host_crystal(subject: Subject, work: GateWork) -> Gate:
    """Relax the host's compositions, run the last one at two temperatures, and compare with what was measured."""
    cells, last = _relaxed_cells(subject, work)
    runs = [_run(subject, work, last, number) for number in range(len(TEMPERATURES))]
    peaks = subject.host.first_peaks
    found = {pair: pair_distribution(runs[0], pair, _REACH) for pair in peaks}
    grown = {name: expansion(runs, name) for name in ("a", "c")}
    checks = [*_cell_checks(subject, cells), *_peak_checks(subject, found, peaks), *_expansion_checks(subject, grown)]
    first = cells[0]
    a, c = first.against(0, first.measured.a)[0], first.against(1, first.measured.c)[0]
    of_c, of_a = grown["c"][0], grown["a"][0]
    finding = f"host at rest: a {a:+.1f} %, c {c:+.1f} %; expansion of c {of_c:.0f}, of a {of_a:.0f} × 10⁻⁶/K"
    return Gate(
        name="host",
        finding=finding,
        checks=tuple(checks),
        figures=(_draw(cells, runs, found, work, finding),),
        details={
            "relaxed_A": {one.measured.x: one.values.tolist() for one in cells},
            "first_peaks_A": {"-".join(pair): one.first_peak for pair, one in found.items()},
        },
    )


def _relaxed_cells(subject: Subject, work: GateWork) -> tuple[list[RelaxedCells], Atoms]:
    """Relaxed cells of the measured compositions, and the last crystal."""
    rng, found, rest = subject.rng("host"), [], subject.host.conventional.ions
    measured = subject.measured_cells
    for number, one in enumerate(measured):
        arrangements = subject.preset.arrangements if Fraction(one.x) else 1
        rows = []
        for arrangement in range(arrangements):
            part = (number + arrangement / arrangements) / len(measured)
            work.report(f"relaxation at x = {one.x}, arrangement {arrangement + 1}", _STATIC * part)
            rest = at_rest(subject.crystal(Fraction(one.x), 0, (1, 1, 1), rng), subject.potential)
            a, b, c = rest.cell.lengths()
            rows.append((0.5 * (a + b), c, rest.cell.volume))
        found.append(RelaxedCells(one, np.array(rows)))
    return found, rest


def _run(subject: Subject, work: GateWork, rest: Atoms, number: int) -> Trajectory:
    preset, temperature = subject.preset, TEMPERATURES[number]
    rng = subject.rng(f"host-{temperature:.0f}")
    ions = rest
    if preset.host_repeats != (1, 1, 1):
        ions = subject.crystal(Fraction(subject.measured_cells[-1].x), 0, preset.host_repeats, rng)
    settings = Dynamics(temperature, preset.expansion_ps, seed_of(rng), ensemble="npt", cell="aniso")
    part = (1.0 - _STATIC) / len(TEMPERATURES)
    share = Share(f"host-{temperature:.0f}K", _STATIC + number * part, part)
    return trajectory_of(run(ions, subject.potential, settings, work, share))


def lengths(trajectory: Trajectory) -> dict[str, np.typing.NDArray[np.float64]]:
    """The lengths a (mean of the first two vectors) and c of every frame [Å]."""
    found = np.linalg.norm(trajectory.cells, axis=2)
    return {"a": found[:, :2].mean(axis=1), "c": found[:, 2]}


def expansion(runs: list[Trajectory], name: str) -> tuple[float, float]:
    """Linear expansion between the temperatures [10⁻⁶/K] with its standard error."""
    (cold, cold_error), (hot, hot_error) = (mean_with_error(lengths(one)[name]) for one in runs)
    scale = 1e6 / (cold * (TEMPERATURES[1] - TEMPERATURES[0]))
    return scale * (hot - cold), scale * float(np.hypot(cold_error, hot_error))


def _cell_checks(subject: Subject, cells: list[RelaxedCells]) -> list[Check]:
    checks, length = [], subject.limit("host_length")
    for one in cells:
        checks.append(length.check(f"a at x = {one.measured.x}", *one.against(0, one.measured.a)))
        checks.append(length.check(f"c at x = {one.measured.x}", *one.against(1, one.measured.c)))
    first, last = cells[0], cells[-1]
    name = f"volume from x = {first.measured.x} to {last.measured.x}"
    return [*checks, subject.limit("host_trend").check(name, *last.against(2, float(first.values[:, 2].mean())))]


def _peak_checks(
    subject: Subject, found: dict[tuple[str, str], PairDistribution], wanted: dict[tuple[str, str], float]
) -> list[Check]:
    checks = []
    for pair, one in found.items():
        limit = subject.limit("mobile_peak" if subject.mobile in pair else "host_peak")
        checks.append(
            limit.check(f"{'-'.join(pair)} first peak at 300 K", one.first_peak - wanted[pair], one.first_peak_error)
        )
    return checks


def _expansion_checks(subject: Subject, grown: dict[str, tuple[float, float]]) -> list[Check]:
    (a, a_error), (c, c_error) = grown["a"], grown["c"]
    error = float(np.hypot(a_error, c_error))
    return [
        subject.limit("expansion_c").check("expansion of c", c, c_error),
        subject.limit("expansion_anisotropy").check("expansion of c less that of a", c - a, error),
    ]


def _draw(
    cells: list[RelaxedCells],
    runs: list[Trajectory],
    found: dict[tuple[str, str], PairDistribution],
    work: GateWork,
    title: str,
) -> str:
    figure, (left, middle, right) = new_figure(3)
    rows = _draw_cells(left, cells) + _draw_lengths(middle, runs)
    for colour, (pair, one) in zip(COLOURS, found.items(), strict=False):
        right.plot(one.radii, one.values, color=colour, label="-".join(pair))
        rows.append(("first peak (Å)", "-".join(pair), one.first_peak))
    right.legend(fontsize=8)
    label(right, "r (Å)", "g(r)", "first peaks at 300 K")
    return save_figure(figure, work.figures, "host", title, ("quantity", "of", "values"), rows)


def _draw_cells(panel: Any, cells: list[RelaxedCells]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    xs = [float(Fraction(one.measured.x)) for one in cells]
    for column, (name, colour, marker) in enumerate(zip("ac", COLOURS, MARKERS, strict=False)):
        deviations = [one.against(column, getattr(one.measured, name)) for one in cells]
        values, errors = [value for value, _ in deviations], [error or 0.0 for _, error in deviations]
        panel.errorbar(xs, values, errors, fmt=marker, color=colour, label=name)
        rows += [(f"{name} at rest (Å)", x, *one.values[:, column]) for x, one in zip(xs, cells, strict=True)]
    panel.axhline(0.0, color="0.5", linewidth=0.7)
    panel.legend(fontsize=8)
    label(panel, "x", "at rest against measured (%)", "relaxed cells")
    return rows


def _draw_lengths(panel: Any, runs: list[Trajectory]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for name, colour in zip("ac", COLOURS, strict=False):
        start = float(lengths(runs[0])[name].mean())
        for temperature, one, style in zip(TEMPERATURES, runs, (":", "-"), strict=True):
            series = lengths(one)[name]
            text = f"{name}, {temperature:.0f} K"
            panel.plot(np.arange(len(series)) * one.interval, series / start, style, color=colour, label=text)
            rows.append((f"{name} in a run (Å)", temperature, *mean_with_error(series)))
    panel.legend(fontsize=7)
    label(panel, "time (ps)", "length over its mean at 300 K", "expansion")
    return rows
