"""Figures of a fit, each with its numbers beside it as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dopantfit.fit.errors_by_group import Comparison
from dopantfit.fit.run import Plan, Result
from dopantfit.potential.turnover import pair_energy
from dopantfit.provenance import write_text_atomic

COLOURS = ("#1f4e79", "#c55a11", "#548235", "#7f7f7f", "#7030a0")


def draw_all(
    plan: Plan,
    result: Result,
    payload: Mapping[str, Any],
    comparisons: Mapping[str, Sequence[Comparison]],
    folder: Path,
) -> None:
    """Write convergence, correlation, species and pair figures into ``folder/figures``."""
    target = folder / "figures"
    target.mkdir(exist_ok=True)
    if result.generations:
        _convergence(result, target)
    _correlation(comparisons, target)
    _species(payload, target)
    _pairs(plan, result, target)


def _figure(columns: int = 1, width: float = 4.5) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width * columns, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _save(figure: Figure, folder: Path, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    # Without the date and the version of the library, the same numbers give the same bytes.
    figure.savefig(folder / f"{name}.png", dpi=120, metadata={"Software": None})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text_atomic(folder / f"{name}.csv", text.getvalue())


def _convergence(result: Result, folder: Path) -> None:
    figure, (panel,) = _figure()
    rows = [(one.number, one.best_so_far, one.best, one.median, one.rejected) for one in result.generations]
    numbers, best, _, median, _ = np.array(rows).T
    panel.plot(numbers, best, color=COLOURS[0], label="best so far")
    panel.plot(numbers, median, color=COLOURS[3], label="median of the generation")
    for one in result.starts:
        panel.axhline(one.cost, color=COLOURS[1], linewidth=0.6)
    panel.plot([], [], color=COLOURS[1], label="after local refinement")
    panel.set_yscale("log")
    panel.set_xlabel("generation")
    panel.set_ylabel("½ Σ residual²")
    panel.legend(fontsize=8)
    _save(figure, folder, "convergence", ("generation", "best_so_far", "best", "median", "rejected"), rows)


def _correlation(comparisons: Mapping[str, Sequence[Comparison]], folder: Path) -> None:
    """Energies (within compositions) and forces of every potential against DFT."""
    figure, panels = _figure(2)
    rows: list[Sequence[Any]] = []
    for colour, (role, found) in zip(COLOURS, comparisons.items(), strict=False):
        alive = [one for one in found if one.energy is not None and one.forces is not None]
        for group in dict.fromkeys(one.target.group for one in alive):
            members = [one for one in alive if one.target.group == group]
            ions = len(members[0].target.forces)
            dft = np.array([one.target.energy for one in members]) / ions
            ours = np.array([one.energy for one in members], dtype=np.float64) / ions
            panels[0].plot(1e3 * (dft - dft.mean()), 1e3 * (ours - ours.mean()), "o", color=colour, markersize=3)
            shifted = zip(members, dft - dft.mean(), ours - ours.mean(), strict=True)
            rows += [(role, one.target.name, float(x), float(y)) for one, x, y in shifted]
        forces = np.concatenate([one.forces for one in alive if one.forces is not None] or [np.empty((0, 3))])
        reference = np.concatenate([one.target.forces for one in alive] or [np.empty((0, 3))])
        panels[1].plot(reference.ravel(), forces.ravel(), ".", color=colour, markersize=1.5, label=role)
    for panel, what in zip(panels, ("energy within a composition (meV/atom)", "force component (eV/Å)"), strict=True):
        panel.axline((0, 0), slope=1, color="0.6", linewidth=0.6)
        panel.set_xlabel(f"DFT {what}", fontsize=8)
        panel.set_ylabel(f"potential {what}", fontsize=8)
    panels[1].legend(fontsize=8)
    _save(figure, folder, "correlation", ("potential", "frame", "dft_eV_per_atom", "potential_eV_per_atom"), rows)


def _species(payload: Mapping[str, Any], folder: Path) -> None:
    """Force error by species and for the dopant's surroundings, held out where there is such a side."""
    figure, (panel,) = _figure(width=6.0)
    rows: list[Sequence[Any]] = []
    roles = list(payload["errors"])
    side = "held_out" if "held_out" in payload["errors"][roles[0]] else "train"
    for number, role in enumerate(roles):
        entries = payload["errors"][role].get(side, {"forces": []})["forces"]
        chosen = [one for one in entries if one["kind"] in ("species", "neighbourhood", "all")]
        places = np.arange(len(chosen)) + 0.8 * (number - 0.5 * (len(roles) - 1)) / len(roles)
        panel.bar(places, [one["rms_error"] for one in chosen], 0.8 / len(roles), color=COLOURS[number], label=role)
        panel.set_xticks(np.arange(len(chosen)), [one["name"] for one in chosen], fontsize=8)
        rows += [(role, side, one["name"], one["components"], one["rms_error"], one["rms_reference"]) for one in chosen]
    panel.set_ylabel(f"RMS force error, {side.replace('_', ' ')} (eV/Å)", fontsize=8)
    panel.legend(fontsize=8)
    _save(figure, folder, "species", ("potential", "side", "of", "components", "rms_error", "rms_dft"), rows)


def _pairs(plan: Plan, result: Result, folder: Path) -> None:
    """Pair energies of the fitted pairs, fitted and at the start."""
    pairs = sorted({parameter.of for parameter in plan.space.parameters if len(parameter.of) == 2})
    if not pairs:
        return
    figure, panels = _figure(len(pairs), width=2.8)
    r = np.linspace(1.2, 5.0, 400)
    rows: list[Sequence[Any]] = []
    for panel, pair in zip(panels, pairs, strict=True):
        a, b = pair
        fitted, start = (pair_energy(potential, a, b, r) for potential in (result.potential, plan.space.base))
        panel.plot(r, start, color=COLOURS[3], linewidth=1.0, label="start")
        panel.plot(r, fitted, color=COLOURS[0], linewidth=1.2, label="fitted")
        middle = float(np.median(fitted))
        panel.set_ylim(min(middle - 10, float(fitted[r > 1.6].min()) - 2), middle + 25)
        panel.set_title(f"{a}-{b}", fontsize=9)
        panel.set_xlabel("r (Å)", fontsize=8)
        rows += [(f"{a}-{b}", *map(float, numbers)) for numbers in zip(r, fitted, start, strict=True)]
    panels[0].set_ylabel("E (eV)", fontsize=8)
    panels[0].legend(fontsize=8)
    _save(figure, folder, "pairs", ("pair", "r_A", "fitted_eV", "start_eV"), rows)
