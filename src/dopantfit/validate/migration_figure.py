"""Figure of the gate of migration barriers: energies along every path, and E_a of diffusion beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dopantfit.transport.activation import ActivationEnergy
from dopantfit.validate.figures import COLOURS, MARKERS, label, new_figure, save_figure
from dopantfit.validate.minimum_path import MigrationBarrier

#: A path by name; None where it did not come to rest.
NamedPath = tuple[str, MigrationBarrier | None]


def draw(
    own: Sequence[NamedPath],
    of_reference: Sequence[NamedPath],
    diffusion: ActivationEnergy | None,
    folder: Path,
    title: str,
) -> str:
    """Draw energies against the part of the way, states of rest filled; returns the name of the image.

    own, of_reference: paths of the potential and of a reference calculator, in one order; the latter have broken lines.
    """
    figure, (panel,) = new_figure(width=7.5, height=5.6)
    rows: list[tuple[Any, ...]] = []
    styled = [(number, path, "-") for number, path in enumerate(own)]
    styled += [(number, path, "--") for number, path in enumerate(of_reference)]
    for number, (name, found), line in styled:
        if found is None:
            continue
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        whole = float(found.distances[-1])
        panel.plot(found.curve[0] / whole, found.curve[1], line, color=colour, linewidth=1.2)
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
    panel.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False)
    return save_figure(figure, folder, "barrier", title, ("path", "distance_A", "energy_eV", "at_rest"), rows)
