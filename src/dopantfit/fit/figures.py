"""Figures of a fit: convergence, correlation with DFT, errors by species, pair curves; the rest is drawn elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.fit.errors_by_group import FrameComparison
from dopantfit.fit.figure_files import COLOURS, GREY, new_figure, save_figure, save_numbers
from dopantfit.fit.figures_cell import draw_cell
from dopantfit.fit.figures_uncertainty import draw_budget, draw_ellipses, draw_sensitivities
from dopantfit.fit.run import FitPlan, FitResult
from dopantfit.potential import Potential
from dopantfit.potential.turnover import pair_energy
from dopantfit.workflow.names import drawn

#: Distances of the pair curves [Å].
CURVE = np.linspace(1.2, 5.0, 400)


def draw_all(
    plan: FitPlan,
    result: FitResult,
    payload: Mapping[str, Any],
    comparisons: Mapping[str, Sequence[FrameComparison]],
    potentials: Mapping[str, Potential],
    folder: Path,
) -> None:
    """Write every figure into ``folder/figures``. comparisons, potentials: by role, the fitted one first."""
    target = folder / "figures"
    target.mkdir(exist_ok=True)
    if result.generations:
        _convergence(result, target)
    _correlation(comparisons, target)
    _species(payload, target)
    _pairs(plan, result, potentials, target)
    draw_ellipses(result, target)
    draw_sensitivities(result, target)
    if payload["budget"]:
        draw_budget(payload, target)
    if result.preoptimised is not None:
        draw_cell(result.preoptimised, result.fitted_cell, target)


def _convergence(result: FitResult, folder: Path) -> None:
    figure, ((panel,),) = new_figure()
    rows = [(one.number, one.best_so_far, one.best, one.median, one.rejected, one.spread) for one in result.generations]
    numbers, best, _, median, _, _ = np.array(rows).T
    panel.plot(numbers, best, color=COLOURS[0], label="best so far")
    panel.plot(numbers, median, color=GREY, label="median of the generation")
    for one in result.starts:
        panel.axhline(one.cost, color=COLOURS[1], linewidth=0.6)
    panel.plot([], [], color=COLOURS[1], label="after local refinement")
    panel.set_yscale("log")
    panel.set_xlabel("generation")
    panel.set_ylabel("½ Σ residual²")
    panel.set_title(f"Best of the search {best[-1]:.4g}, refined {result.cost:.4g}", fontsize=9)
    panel.legend(fontsize=8)
    save_figure(figure, folder, "convergence")
    header = ("generation", "best_so_far", "best", "median", "rejected", "spread")
    save_numbers(folder, "convergence", header, rows)


def _correlation(comparisons: Mapping[str, Sequence[FrameComparison]], folder: Path) -> None:
    """Energies and forces of every potential against DFT, one column per set and composition."""
    groups = list(dict.fromkeys(one.target.group for found in comparisons.values() for one in found))
    figure, panels = new_figure(2, len(groups), width=2.3, height=2.4)
    energies: list[Sequence[Any]] = []
    # The fitted potential is drawn last, on top.
    for colour, (role, found) in reversed(list(zip(COLOURS, comparisons.items(), strict=False))):
        for column, group in enumerate(groups):
            members = [one for one in found if one.target.group == group and one.forces is not None]
            energies += _energy_points(panels[0, column], members, role, colour)
            _force_points(panels[1, column], members, role, colour)
    for column, group in enumerate(groups):
        panels[0, column].set_title(drawn("\n".join(group.rsplit(":", 1))), fontsize=7)
        for panel in panels[:, column]:
            panel.axline((0, 0), slope=1, color="0.6", linewidth=0.6)
            panel.tick_params(labelsize=6)
    for row, what in enumerate(("energy (meV/atom)", "force component (eV/Å)")):
        panels[row, 0].set_ylabel(f"potential, {what}", fontsize=7)
        panels[row, len(groups) // 2].set_xlabel(f"DFT, {what}", fontsize=7)
    panels[1, 0].legend(fontsize=6, markerscale=3)
    save_figure(figure, folder, "correlation")
    header = ("potential", "frame", "held_out", "dft_eV_per_atom", "potential_eV_per_atom")
    save_numbers(folder, "correlation_energies", header, energies)
    named = [f"{role}_{axis}_eV_per_A" for role in ("dft", *comparisons) for axis in "xyz"]
    columns = ("frame", "held_out", "ion", "species", *named)
    save_numbers(folder, "correlation_forces", columns, _force_rows(comparisons))


def _energy_points(panel: Any, members: Sequence[FrameComparison], role: str, colour: str) -> list[Sequence[Any]]:
    """Energies within the composition, its mean taken out; held-out frames are open."""
    if not members:
        return []
    dft = np.array([one.target.energy / len(one.target.forces) for one in members])
    found = np.array([(one.energy or 0.0) / len(one.target.forces) for one in members])
    dft, found = dft - dft.mean(), found - found.mean()
    for held_out, fill in ((False, colour), (True, "none")):
        chosen = np.array([one.target.held_out == held_out for one in members])
        panel.plot(1e3 * dft[chosen], 1e3 * found[chosen], "o", color=colour, markerfacecolor=fill, markersize=3)
    points = zip(members, dft.tolist(), found.tolist(), strict=True)
    return [(role, one.target.name, one.target.held_out, x, y) for one, x, y in points]


def _force_points(panel: Any, members: Sequence[FrameComparison], role: str, colour: str) -> None:
    panel.plot([], [], ".", color=colour, markersize=1, label=role)
    for one in members:
        if one.forces is not None:
            panel.plot(one.target.forces.ravel(), one.forces.ravel(), ".", color=colour, markersize=1, rasterized=True)


def _force_rows(comparisons: Mapping[str, Sequence[FrameComparison]]) -> Iterator[Sequence[Any]]:
    """The force on every ion, the potentials side by side; six digits, as this table is long and for looking at."""
    for same_frame in zip(*comparisons.values(), strict=True):
        target = same_frame[0].target
        for ion, label in enumerate(target.ion_labels):
            row = [f"{component:.6g}" for component in target.forces[ion]]
            for one in same_frame:
                row += [""] * 3 if one.forces is None else [f"{component:.6g}" for component in one.forces[ion]]
            yield (target.name, target.held_out, ion, label, *row)


def _species(payload: Mapping[str, Any], folder: Path) -> None:
    """Force error by species and for the dopant's surroundings, training and held-out frames apart."""
    roles, rows = list(payload["errors"]), list[Sequence[Any]]()
    sides = [side for side in ("train", "held_out") if side in payload["errors"][roles[0]]]
    figure, panels = new_figure(1, len(sides), width=5.0)
    for panel, side in zip(panels[0], sides, strict=True):
        for number, role in enumerate(roles):
            entries = payload["errors"][role].get(side, {"forces": []})["forces"]
            chosen = [one for one in entries if one["kind"] in ("species", "neighbourhood", "all")]
            places = np.arange(len(chosen)) + 0.8 * (number - 0.5 * (len(roles) - 1)) / len(roles)
            heights = [one["rms_error"] for one in chosen]
            panel.bar(places, heights, 0.8 / len(roles), color=COLOURS[number], label=role)
            names = [one["name"].replace(" and its", "\nand its") for one in chosen]
            panel.set_xticks(np.arange(len(chosen)), names, fontsize=7)
            rows += [
                (role, side, one["name"], one["components"], one["rms_error"], one["rms_reference"]) for one in chosen
            ]
        panel.set_ylabel("RMS force error (eV/Å)", fontsize=8)
        panel.set_title(side.replace("_", " "), fontsize=9)
    panels[0, 0].legend(fontsize=8)
    save_figure(figure, folder, "species")
    save_numbers(folder, "species", ("potential", "side", "of", "components", "rms_error", "rms_dft"), rows)


def _pairs(plan: FitPlan, result: FitResult, potentials: Mapping[str, Potential], folder: Path) -> None:
    """Energy of every fitted pair: fitted, compared with, at the priors, and the ensemble as thin lines."""
    space = plan.space
    pairs = sorted({(p.of[0], p.of[1]) for p in space.parameters if len(p.of) == 2})
    if not pairs:
        return
    curves = dict(potentials)
    if any(variable.prior for variable in space.variables):
        means = [v.prior.value if v.prior else float(x) for v, x in zip(space.variables, result.values, strict=True)]
        curves["prior"] = space.potential(space.values(space.point(means)))
    ensemble = [space.potential(member.values) for member in result.ensemble]
    figure, panels = new_figure(1, len(pairs), width=2.6, height=2.8)
    rows: list[Sequence[Any]] = []
    for panel, (a, b) in zip(panels[0], pairs, strict=True):
        for other in ensemble:
            panel.plot(CURVE, pair_energy(other, a, b, CURVE), color=COLOURS[5], linewidth=0.3)
        energies = {role: pair_energy(potential, a, b, CURVE) for role, potential in curves.items()}
        for colour, (role, energy) in reversed(list(zip(COLOURS, energies.items(), strict=False))):
            panel.plot(CURVE, energy, color=colour, linewidth=1.2, label=role)
        fitted = energies["fitted"]
        middle = float(np.median(fitted))
        panel.set_ylim(min(middle - 10, float(fitted[CURVE > 1.6].min()) - 2), middle + 25)
        panel.set_title(f"{a}-{b}", fontsize=9)
        panel.set_xlabel("r (Å)", fontsize=8)
        rows += [(f"{a}-{b}", *map(float, numbers)) for numbers in zip(CURVE, *energies.values(), strict=True)]
    panels[0, 0].set_ylabel("E (eV)", fontsize=8)
    panels[0, 0].legend(fontsize=7)
    save_figure(figure, folder, "pairs")
    save_numbers(folder, "pairs", ("pair", "r_A", *(f"{role}_eV" for role in curves)), rows)
