"""Pictures of a boundary, each with its numbers beside it as CSV: side view, order profile, concentrations."""

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.figure import Figure

from dopantfit.boundary.profile.domains import NAMES, Domains, order_profile
from dopantfit.boundary.profile.profiles import profiles
from dopantfit.structures import labels_of
from dopantfit.structures.hosts import Host
from dopantfit.workflow.figures import new_figure, save_with_csv
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.outputs import write_figure

_SHADES = {"grain": "#dbe7f3", "complexion": "#fbe3cf", "amorphous": "#efefef"}
_DPI = 150


def draw_boundary(atoms: Atoms, domains: Domains, host: Host, folder: Path) -> None:
    """Write side_view, order and concentrations (PNG and CSV) into `folder`, which is made if needed."""
    make_folder(folder)
    _side_view(atoms, domains, folder)
    _order(atoms, domains, folder)
    _concentrations(atoms, domains, host, folder)


def _shade(panel: Any, domains: Domains, length: float) -> None:
    """Shade the domains along the normal; one that wraps around the cell is drawn at both of its ends."""
    for name in NAMES:
        label: str | None = name
        for one in domains.intervals[name]:
            for image in (-1, 0, 1, 2):
                low = max(0.0, one.low % length + (image - 1) * length)
                high = min(length, one.low % length + one.width + (image - 1) * length)
                if high > low:
                    panel.axvspan(low, high, color=_SHADES[name], label=label, linewidth=0, zorder=0)
                    label = None
    panel.set_xlim(0.0, length)
    panel.set_xlabel("z along the normal (Å)")


def _legend(figure: Figure) -> None:
    """Above the panel, where it hides nothing."""
    figure.legend(loc="outside upper center", ncols=9, fontsize=7, frameon=False)


def _side_view(atoms: Atoms, domains: Domains, folder: Path) -> None:
    length, side = float(atoms.cell[2, 2]), float(atoms.cell[0, 0])
    figure, ((panel,),) = new_figure(0.9 + 9.0, 1.1 + 9.0 * min(1.0, side / length))
    _shade(panel, domains, length)
    order = np.argsort(atoms.positions[:, 1] % atoms.cell[1, 1])  # the nearer ions cover the farther
    x, z = atoms.positions[order, 0] % side, atoms.positions[order, 2] % length
    # Marker areas in points²; an inch holds 72 points and the axis about 9 of them.
    scale = 72.0 * 9.0 / length
    sizes = (covalent_radii[atoms.numbers[order]] * scale) ** 2
    panel.scatter(z, x, s=sizes, c=jmol_colors[atoms.numbers[order]], edgecolors="0.3", linewidths=0.2, zorder=2)
    panel.set_ylim(0.0, side)
    panel.set_aspect("equal")
    panel.set_ylabel("x (Å)")
    for label in dict.fromkeys(labels_of(atoms)):
        number = atoms.numbers[labels_of(atoms).index(label)]
        panel.scatter([], [], s=30, color=[jmol_colors[number]], edgecolors="0.3", linewidths=0.2, label=label)
    _legend(figure)
    names, labels = domains.names(atoms), labels_of(atoms)
    rows = ((labels[i], a, b, names[i]) for i, a, b in zip(order, x, z, strict=True))
    save_with_csv(figure, folder, "side_view", _DPI, ("label", "x_A", "z_A", "domain"), rows)


def _order(atoms: Atoms, domains: Domains, folder: Path) -> None:
    length = float(atoms.cell[2, 2])
    figure, ((panel,),) = new_figure(7.0, 3.4)
    _shade(panel, domains, length)
    panel.plot(
        domains.height, domains.order, ".", color="0.55", markersize=3, label=f"{', '.join(domains.framework)} ions"
    )
    heights, order = order_profile(domains, length)
    panel.plot(heights, order, color="#1f4e79", label="mean of 6 Å")
    panel.axhline(0.0, color="0.6", linewidth=0.6)
    panel.set_ylim(-0.6, 1.1)
    panel.set_ylabel(f"in-plane order of {'/'.join(domains.framework)}")
    _legend(figure)
    rows = zip(heights, order, strict=True)
    save_with_csv(figure, folder, "order", _DPI, ("z_A", "order"), rows)


def _concentrations(atoms: Atoms, domains: Domains, host: Host, folder: Path) -> None:
    length = float(atoms.cell[2, 2])
    found = profiles(atoms)
    figure, ((panel,),) = new_figure(7.0, 3.4)
    _shade(panel, domains, length)
    for label, percent in found.atomic_percent.items():
        if label != host.polyanion.ligand:  # most of everything; it would flatten the rest
            panel.step(found.height, percent, where="mid", label=label)
    panel.set_ylabel("concentration (at%)")
    _legend(figure)
    write_figure(figure, folder / "concentrations.png", _DPI, undated=True)
    found.write(folder / "concentrations.csv")
