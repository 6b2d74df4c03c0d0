"""Figures of how sure a fit is: ellipses of the parameters, sensitivities, and where the error lives."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.fit.figure_files import COLOURS, GREY, new_figure, save_figure, save_numbers
from dopantfit.fit.run import FitResult
from dopantfit.workflow.names import drawn

#: How many of the most strongly correlated pairs of parameters are drawn.
ELLIPSES = 6


def strongest_pairs(correlation: Floats, count: int) -> list[tuple[int, int]]:
    """Pairs of variables with the largest correlations by size, no variable pair twice."""
    rows, columns = np.triu_indices(len(correlation), 1)
    order = np.argsort(-np.abs(correlation[rows, columns]), kind="stable")[:count]
    return [(int(rows[k]), int(columns[k])) for k in order]


def draw_ellipses(result: FitResult, folder: Path) -> None:
    """One and two standard deviations of the most correlated pairs, mapped from the box to the parameters' units."""
    chosen = strongest_pairs(result.uncertainty.correlation, ELLIPSES)
    if not chosen:
        return
    variables = result.plan.space.variables
    figure, panels = new_figure(1, len(chosen), width=2.6, height=2.6)
    rows: list[Sequence[Any]] = []
    for panel, (i, j) in zip(panels[0], chosen, strict=True):
        for member in result.ensemble:
            if member.kind == "draw":
                panel.plot(member.values[i], member.values[j], ".", color=GREY, markersize=3)
        for size in (1, 2):
            x, y = (
                [variables[k].from_unit(float(c)) for c in line]
                for k, line in zip((i, j), _ellipse(result, i, j, size), strict=True)
            )
            panel.plot(x, y, color=COLOURS[0], linewidth=1.2 / size)
            rows += [(variables[i].name, variables[j].name, size, a, b) for a, b in zip(x, y, strict=True)]
        panel.plot(result.values[i], result.values[j], "+", color=COLOURS[1])
        panel.set_xlabel(f"{variables[i].name} ({variables[i].unit})", fontsize=7)
        panel.set_ylabel(f"{variables[j].name} ({variables[j].unit})", fontsize=7)
        panel.set_title(f"correlation {result.uncertainty.correlation[i, j]:+.3f}", fontsize=8)
        panel.tick_params(labelsize=6)
    save_figure(figure, folder, "ellipses")
    save_numbers(folder, "ellipses", ("parameter", "other", "standard_deviations", "value", "other_value"), rows)


def _ellipse(result: FitResult, i: int, j: int, size: float) -> Floats:
    """Coordinates in the unit box of an ellipse of ``size`` standard deviations, ``shape=(2, n)``, cut at the box."""
    covariance = result.uncertainty.covariance[np.ix_((i, j), (i, j))]
    values, vectors = np.linalg.eigh(covariance)
    angle = np.linspace(0.0, 2.0 * np.pi, 121)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    line = result.point[[i, j]][:, None] + size * vectors @ (np.sqrt(np.maximum(values, 0.0))[:, None] * circle)
    inside: Floats = np.clip(line, 0.0, 1.0)
    return inside


def draw_sensitivities(result: FitResult, folder: Path) -> None:
    """What a standard error of each parameter does to each kind of residual, as a map."""
    found, variables = result.sensitivity, result.plan.space.variables
    figure, ((panel,),) = new_figure(width=max(4.0, 0.6 * len(found.kinds) + 2.0), height=0.25 * len(variables) + 1.8)
    image = panel.imshow(found.norms, cmap="cividis", aspect="auto")
    panel.set_xticks(np.arange(len(found.kinds)), found.kinds, rotation=60, ha="right", fontsize=7)
    panel.set_yticks(np.arange(len(variables)), [variable.name for variable in variables], fontsize=7)
    panel.set_title("Change of residuals per standard error", fontsize=9)
    figure.colorbar(image, ax=panel, label="‖Δ residuals‖")
    save_figure(figure, folder, "sensitivities")
    rows = [(variable.name, *norms) for variable, norms in zip(variables, found.norms.tolist(), strict=True)]
    save_numbers(folder, "sensitivities", ("parameter", *found.kinds), rows)


def draw_budget(payload: Mapping[str, Any], folder: Path) -> None:
    """Force error by species and energy error, level by level of the error budget, training and held-out frames."""
    levels = payload["budget"]
    sides = [side for side in ("train", "held_out") if levels[0]["forces"].get(side)]
    figure, panels = new_figure(len(sides), 2, width=5.5, height=3.0)
    rows: list[Sequence[Any]] = []
    # The fitted potential, second here, has the colour that it has everywhere.
    colours = (COLOURS[1], COLOURS[0], *COLOURS[2:])
    for (left, right), side in zip(panels, sides, strict=True):
        names = list(levels[0]["forces"][side])
        for number, level in enumerate(levels):
            places = np.arange(len(names)) + 0.8 * (number - 0.5 * (len(levels) - 1)) / len(levels)
            heights = [level["forces"][side][name] for name in names]
            label = drawn(f"{level['name']} ({level['free']} free)")
            colour = colours[number % len(colours)]
            left.bar(places, heights, 0.8 / len(levels), color=colour, label=label)
            energy = level["energies"].get(side)
            if energy is not None:
                right.barh(len(levels) - number, 1e3 * energy, color=colour)
            rows += [(level["name"], level["free"], side, "force", n, h) for n, h in zip(names, heights, strict=True)]
            rows.append((level["name"], level["free"], side, "energy", "all", energy))
        left.set_xticks(np.arange(len(names)), [n.replace(" and its", "\nand its") for n in names], fontsize=7)
        left.set_ylabel("RMS force error (eV/Å)", fontsize=8)
        right.set_yticks(len(levels) - np.arange(len(levels)), [drawn(level["name"]) for level in levels], fontsize=7)
        right.set_xlabel("RMS energy error within compositions (meV/atom)", fontsize=8)
        first, last = (level["forces"][side]["all"] for level in (levels[0], levels[-1]))
        word = side.replace("_", " ")
        left.set_title(f"{word}: force error {first:.2f} → {last:.2f} eV/Å with everything here free", fontsize=9)
    panels[0, 0].set_ylim(top=1.25 * panels[0, 0].get_ylim()[1])  # room for the legend above the bars
    panels[0, 0].legend(fontsize=6, ncols=3, loc="upper center")
    save_figure(figure, folder, "budget")
    save_numbers(folder, "budget", ("level", "free", "side", "kind", "of", "rms_error"), rows)
