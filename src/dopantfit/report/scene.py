"""What the page's 3-D views show: ions of a boundary, isosurfaces of a density; small numbers, no pictures.

A scene is JSON-like. Coordinates are fractions of the cell in 16 bits (0.002 Å of a 139 Å cell), base64.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.report import style
from dopantfit.study import places
from dopantfit.study.files import LOWEST_WALKER, STRUCTURE, read_structure
from dopantfit.study.item import Item
from dopantfit.study.item_schemas import DensityMapFacts
from dopantfit.study.readings import read_grids
from dopantfit.study.summary import StudySummary
from dopantfit.study.systems import System, boundary

Floats = NDArray[np.float64]
#: Radii that ions are drawn with [Å]: anions, centres of polyanions, other cations; the dopant, so that it is seen.
_ANION_RADIUS, _CENTRE_RADIUS, _OTHER_RADIUS, _DOPANT_RADIUS = 0.35, 0.45, 0.6, 1.0
#: Part of all mobile ions that lies inside the isosurface of its density.
ENCLOSED = 0.8
#: Standard deviations over all voxels at which a density difference is drawn.
LEVEL = 3.0
#: Voxels along an axis beyond which a grid is thinned: the surface of more is too fine to be seen, and slow.
_FINEST = 44


def boundary_scenes(study: StudySummary) -> dict[str, dict[str, Any]]:
    """Scenes of the boundary by title: the highest dose after and before exchange, undoped, where they are there."""
    last = boundary(max(study.doses))
    wanted = {
        f"{last.name}, after exchange": (places.bleeding(last), LOWEST_WALKER),
        f"{last.name}, doped": (places.doped(last, 1), STRUCTURE),
        "undoped": (places.BOUNDARY, STRUCTURE),
    }
    found = {title: study.file_of(task, name) for title, (task, name) in wanted.items()}
    palette = style.palette(study)
    return {title: ions_scene(read_structure(path), palette) for title, path in found.items() if path is not None}


def ions_scene(atoms: Atoms, palette: style.Palette, framework_only: bool = False) -> dict[str, Any]:
    """Scene of ions by label. framework_only: without the mobile ones and the anions."""
    host, dopant = palette.host, palette.dopant
    radii = {host.polyanion.ligand: _ANION_RADIUS, host.polyanion.centre: _CENTRE_RADIUS, dopant: _DOPANT_RADIUS}
    labels = np.array(atoms.arrays.get("species", atoms.get_chemical_symbols()))
    kinds = sorted(set(labels.tolist()), key=lambda one: (one == dopant, one))
    if framework_only:
        kinds = [one for one in kinds if one not in (host.mobile, host.polyanion.ligand)]
    chosen = np.isin(labels, kinds)
    return {
        "cell": atoms.cell.array.tolist(),
        "kinds": [
            {
                "name": one,
                "colour": palette.colour(one),
                "radius": radii.get(one, _OTHER_RADIUS),
                "count": int((labels == one).sum()),
            }
            for one in kinds
        ],
        "kind": _packed(np.array([kinds.index(one) for one in labels[chosen]], dtype=np.uint8)),
        "at": _fractions(atoms.get_scaled_positions()[chosen]),
        "surfaces": [],
    }


def density_scene(item: Item[DensityMapFacts], study: StudySummary) -> dict[str, Any] | None:
    """Scene of the mobile ion's density and of its change; None where the grids are not there."""
    grids = read_grids(item)
    if grids is None:
        return None
    doped, change, cell = grids["doped"], grids["difference"], grids["cell"]
    path = study.file_of(places.equilibrated(System.named(item.facts.system)), STRUCTURE)
    scene = {"cell": cell.tolist(), "kinds": [], "kind": "", "at": "", "surfaces": []}
    if path is not None:
        scene = {**ions_scene(read_structure(path), style.palette(study), framework_only=True), "cell": cell.tolist()}
    smooth = smoothed(doped, cell, item.facts.smoothing_A)
    level = LEVEL * float(change.std())
    wanted = (
        (
            f"{study.host.mobile} density, {100 * ENCLOSED:.0f} % of all inside",
            smooth,
            enclosing(smooth, ENCLOSED),
            "#009E73",
            0.35,
        ),
        (f"less {study.host.mobile} (−{level:.2g} Å⁻³)", -change, level, "#CC79A7", 0.8),
        (f"more {study.host.mobile} (+{level:.2g} Å⁻³)", change, level, "#F0E442", 0.8),
    )
    surfaces = [_surface(name, thinned(grid), at, colour, opacity) for name, grid, at, colour, opacity in wanted]
    return {**scene, "surfaces": [one for one in surfaces if one is not None]}


def smoothed(grid: Floats, cell: Floats, width: float) -> Floats:
    """Gaussian of standard deviation `width` [Å] over a periodic grid; its sum stays."""
    from scipy.ndimage import gaussian_filter

    spacing = np.linalg.norm(cell, axis=1) / grid.shape
    return np.asarray(gaussian_filter(grid, width / spacing, mode="wrap"))


def enclosing(grid: Floats, part: float) -> float:
    """The value above which voxels hold `part` of the whole."""
    ordered = np.sort(grid.ravel())[::-1]
    whole = np.cumsum(ordered)
    return float(ordered[np.searchsorted(whole, part * whole[-1])])


def thinned(grid: Floats) -> Floats:
    """The grid with at most so many points along each axis as a screen shows."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    step = max(1.0, max(grid.shape) / _FINEST)
    if step == 1.0:
        return grid
    places = [np.arange(round(n / step)) * (n / round(n / step)) for n in grid.shape]
    blurred = gaussian_filter(grid, 0.4 * step, mode="wrap")
    return np.asarray(map_coordinates(blurred, np.meshgrid(*places, indexing="ij"), order=1, mode="grid-wrap"))


def _surface(name: str, grid: Floats, level: float, colour: str, opacity: float) -> dict[str, Any] | None:
    """Isosurface of a periodic grid; None where the level is not reached."""
    from skimage.measure import marching_cubes

    periodic = np.pad(grid, (0, 1), mode="wrap")
    if not periodic.min() < level < periodic.max():
        return None
    corners, faces, _, _ = marching_cubes(periodic, level)
    # A value belongs to the middle of its voxel.
    fractions = (corners + 0.5) / np.array(grid.shape)
    return {
        "name": name,
        "colour": colour,
        "opacity": opacity,
        "at": _fractions(fractions, longest=2.0),
        "longest": 2.0,
        "faces": _packed(faces.astype(np.uint32)),
    }


def _fractions(places: Floats, longest: float = 1.0) -> str:
    return _packed(np.clip(np.rint(places / longest * 65535.0), 0, 65535).astype(np.uint16))


def _packed(numbers: NDArray[Any]) -> str:
    """Little-endian bytes, base64."""
    return base64.b64encode(numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def side_view(scene: Mapping[str, Any], palette: style.Palette) -> tuple[Any, Sequence[Sequence[Any]]]:
    """Figure of a boundary from the side, for print and PDF, and its numbers (ion, normal, across [Å])."""
    at = np.frombuffer(base64.b64decode(scene["at"]), dtype="<u2").reshape(-1, 3) / 65535.0 @ np.array(scene["cell"])
    kind = np.frombuffer(base64.b64decode(scene["kind"]), dtype=np.uint8)
    figure, (panel,) = style.new_figure(height=2.4)
    dopant = palette.dopant
    left_out = (palette.host.polyanion.ligand, dopant)
    order = [number for number, one in enumerate(scene["kinds"]) if one["name"] not in left_out]
    order += [number for number, one in enumerate(scene["kinds"]) if one["name"] == dopant]
    # To scale: some 290 points of paper for the length of the cell.
    size = 290.0 / max(at[:, 2].max(), 1.0)
    for number in order:
        about, here = scene["kinds"][number], at[kind == number]
        panel.scatter(
            here[:, 2],
            here[:, 0],
            s=(2.0 * size * about["radius"]) ** 2,
            color=about["colour"],
            label=about["name"],
            alpha=1.0 if about["name"] == dopant else 0.45,
            linewidth=0,
            rasterized=True,
        )
    panel.set_aspect("equal")
    style.label(panel, "along the normal (Å)", "x (Å)")
    panel.legend(fontsize=7, ncols=5, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.1)
    names = [one["name"] for one in scene["kinds"]]
    return figure, [(names[k], float(z), float(x)) for k, (x, _, z) in zip(kind, at, strict=True)]


def projections(
    item: Item[DensityMapFacts], study: StudySummary
) -> tuple[Any, Sequence[str], Sequence[Sequence[Any]]] | None:
    """Density of the mobile ion and its change summed along the third axis, for print; with the numbers [1/Å²]."""
    grids = read_grids(item)
    if grids is None:
        return None
    doped, change, cell = grids["doped"], grids["difference"], grids["cell"]
    step = float(np.linalg.norm(cell[2])) / doped.shape[2]
    flat = [smoothed(doped, cell, item.facts.smoothing_A).sum(axis=2) * step, change.sum(axis=2) * step]
    figure, panels = style.new_figure(2, height=3.2)
    extent = (0.0, float(np.linalg.norm(cell[0])), 0.0, float(np.linalg.norm(cell[1])))
    top = float(np.abs(flat[1]).max()) or 1.0
    looks: tuple[dict[str, Any], ...] = ({"cmap": "cividis"}, {"cmap": "PuOr_r", "vmin": -top, "vmax": top})
    for panel, grid, look, name in zip(panels, flat, looks, ("density", "change against C_ref"), strict=True):
        image = panel.imshow(grid.T, origin="lower", extent=extent, **look)
        figure.colorbar(image, ax=panel, label=f"{study.host.mobile} {name} (Å⁻²)").ax.tick_params(labelsize=7)
        style.label(panel, "x (Å)", "y (Å)")
    ni, nj = flat[0].shape
    rows = [
        ((i + 0.5) / ni * extent[1], (j + 0.5) / nj * extent[3], float(flat[0][i, j]), float(flat[1][i, j]))
        for i in range(ni)
        for j in range(nj)
    ]
    return figure, ("x_A", "y_A", "density_per_A2", "change_per_A2"), rows
