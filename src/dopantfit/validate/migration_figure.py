"""Figure of the gate of migration barriers: energies along every path, and E_a of diffusion beside them."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from dopantfit.transport.activation import ActivationEnergy
from dopantfit.validate.figures import COLOURS, MARKERS, label, new_figure, save_figure
from dopantfit.validate.minimum_path import MigrationBarrier


def draw(
    paths: Sequence[tuple[str, MigrationBarrier | None]],
    diffusion: ActivationEnergy | None,
    folder: Path,
    title: str,
) -> str:
    """Draw energies against the part of the way, states of rest filled; returns the name of the image."""
    figure, (panel,) = new_figure(width=7.5, height=4.6)
    rows: list[tuple[Any, ...]] = []
    for (name, found), colour, marker in zip(paths, COLOURS, MARKERS, strict=False):
        if found is None:
            continue
        whole = float(found.distances[-1])
        panel.plot(found.curve[0] / whole, found.curve[1], color=colour, linewidth=1.2)
        panel.plot(found.distances / whole, found.energies, marker, color=colour, markerfacecolor="white", markersize=5)
        rests = list(found.rests)
        told = f"{name}: {found.mechanism}"
        panel.plot(found.distances[rests] / whole, found.energies[rests], marker, color=colour, label=told)
        places = enumerate(zip(found.distances, found.energies, strict=True))
        rows += [(name, distance, energy, int(number in rests)) for number, (distance, energy) in places]
    if diffusion is not None:
        energy = diffusion.energy
        panel.axhspan(energy.low, energy.high, color="0.5", alpha=0.2, linewidth=0.0)
        panel.axhline(energy.value, color="0.3", linestyle="--", label=f"E_a of diffusion: {diffusion}")
        rows.append(("E_a of diffusion", "", energy.value, ""))
    label(panel, "part of the path, site to site", "energy (eV)")
    panel.legend(fontsize=7)
    return save_figure(figure, folder, "barrier", fill(title, 95), ("path", "distance_A", "energy_eV", "at_rest"), rows)
