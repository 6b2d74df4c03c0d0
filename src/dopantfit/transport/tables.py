"""Pair distributions, densities, sites and Arrhenius lines as records, tables and CSV files of the command line."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dopantfit.errors import ConfigError
from dopantfit.potential.checks import read_pair
from dopantfit.statistics import Estimate
from dopantfit.terminal import new_table
from dopantfit.transport.arrhenius import ArrheniusFit, Prediction, fit_arrhenius
from dopantfit.transport.density import Density, Isosurface
from dopantfit.transport.occupancy import Occupancy
from dopantfit.transport.pairs import PairDistribution, coordination_number
from dopantfit.transport.trajectory import Floats, Trajectory
from dopantfit.workflow.outputs import write_csv
from dopantfit.workflow.provenance import sha256_of, write_text_atomic

if TYPE_CHECKING:
    from rich.table import Table

#: Quantities of an Arrhenius line, and their units.
UNITS = {"diffusion": "cm²/s", "conductivity": "S/cm", "collective": "S/cm"}
_ASCII_UNITS = {"diffusion": "cm2_per_s", "conductivity": "S_per_cm", "collective": "S_per_cm"}
#: Part of the ions whose share of the cell is stated.
_MOST_IONS = 0.9
#: Points of a drawn line.
_LINE_POINTS = 50


@dataclass(frozen=True)
class ArrheniusPoints:
    """Estimates at several temperatures, and the line through them.

    quantity: one of `UNITS`. temperatures: [K], rising. values: in the unit of the quantity.
    """

    species: str
    quantity: str
    temperatures: tuple[float, ...]
    values: tuple[Estimate, ...]
    fit: ArrheniusFit

    def line(self) -> list[Prediction]:
        """Return the line at temperatures [K] evenly spread in 1/T over those of the points."""
        inverse = np.linspace(1.0 / self.temperatures[-1], 1.0 / self.temperatures[0], _LINE_POINTS)
        return [self.fit.predict(1.0 / float(one)) for one in inverse]


def parse_pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    """Read words such as ``Ti-O``; ConfigError for anything else."""
    pairs = []
    for word in words:
        pair = read_pair(word)
        if pair is None:
            raise ConfigError(f"--pair {word}: is no pair of species; write it as Ti-O")
        pairs.append(pair)
    return pairs


def pairs_record(found: Sequence[PairDistribution], radius: float | None) -> dict[str, Any]:
    """Return peaks and coordination numbers, by pair; ConfigError when `radius` [Å] exceeds the cutoff."""
    return {
        "pairs": {
            "-".join(one.pair): {
                "first_peak_A": one.first_peak,
                "first_minimum_A": one.first_minimum,
                "radius_A": one.first_minimum if radius is None else radius,
                "coordination_number": coordination_number(one, radius).as_dict(),
            }
            for one in found
        }
    }


def pairs_table(record: dict[str, Any], run: Trajectory) -> "Table":
    """Return the table of `pairs_record` for a terminal."""
    table = new_table(f"{run.n_frames} frames", "pair", "first peak Å", "neighbours", "within Å")
    for name, one in record["pairs"].items():
        count = one["coordination_number"]
        numbers = f"{count['value']:.3f} ± {count['error']:.1g}", f"{one['radius_A']:.2f}"
        table.add_row(name, f"{one['first_peak_A']:.3f}", *numbers)
    return table


def write_pairs(path: Path, found: Sequence[PairDistribution]) -> None:
    """Write g(r) with its error as CSV; ConfigError when the file cannot be written."""
    rows = [("-".join(one.pair), *row) for one in found for row in zip(one.radii, one.values, one.error, strict=True)]
    write_csv(path, ("pair", "r_A", "g", "error"), rows)


def density_record(found: Density, minus: Path | None = None, surface: Isosurface | None = None) -> dict[str, Any]:
    """Return ions, grid, highest density, and the part of the cell that holds nine tenths of the ions.

    minus: what a difference was taken from; it has a lowest value and a scatter instead of that part.
    surface: of the same density; its area, and volume and ions beyond it.
    """
    record = {
        "species": found.species,
        "ions": float(found.values.sum()) * found.voxel_volume,
        "grid": list(found.values.shape),
        "cell_A": found.cell.tolist(),
        "highest_density_per_A3": float(found.values.max()),
    }
    if minus is None:
        record["cell_part_with_90_percent_of_the_ions"] = _part_with_most_ions(found)
    else:
        lowest, scatter = float(found.values.min()), float(found.values.std())
        record |= {"minus": str(minus), "lowest_density_per_A3": lowest, "standard_deviation_per_A3": scatter}
    return record if surface is None else {**record, "isosurface": _surface_record(found, surface)}


def _part_with_most_ions(found: Density) -> float:
    descending = np.sort(found.values.ravel())[::-1]
    filled = int(np.searchsorted(np.cumsum(descending), _MOST_IONS * descending.sum())) + 1
    return filled / descending.size


def _surface_record(found: Density, surface: Isosurface) -> dict[str, float]:
    """Area, and what lies beyond: above a level of zero or more, below a negative one."""
    beyond = found.values >= surface.level if surface.level >= 0.0 else found.values <= surface.level
    return {
        "level_per_A3": surface.level,
        "area_A2": surface.area,
        "volume_A3": int(beyond.sum()) * found.voxel_volume,
        "ions": float(found.values[beyond].sum()) * found.voxel_volume,
    }


def density_tables(record: dict[str, Any]) -> "list[Table]":
    """Return the tables of `density_record` for a terminal."""
    common = record["species"], f"{record['ions']:.6g}", " × ".join(map(str, record["grid"]))
    highest = f"{record['highest_density_per_A3']:.4g}"
    if "minus" in record:
        title = f"number density, less that in {Path(record['minus']).name}"
        table = new_table(title, "species", "ions", "grid", "highest 1/Å³", "lowest 1/Å³", "scatter 1/Å³")
        others = (f"{record[name]:.4g}" for name in ("lowest_density_per_A3", "standard_deviation_per_A3"))
    else:
        table = new_table("number density", "species", "ions", "grid", "highest 1/Å³", "cell with 90 % of the ions")
        others = (f"{record[name]:.2%}" for name in ("cell_part_with_90_percent_of_the_ions",))
    table.add_row(*common, highest, *others)
    if "isosurface" not in record:
        return [table]
    surface = new_table("isosurface", "level 1/Å³", "area Å²", "volume beyond Å³", "ions beyond")
    surface.add_row(*(f"{value:.6g}" for value in record["isosurface"].values()))
    return [table, surface]


def write_density(path: Path, found: Density) -> None:
    """Write fractional centre, density and error of every voxel as CSV; ConfigError when it cannot be written."""
    fractions = (np.indices(found.values.shape).reshape(3, -1).T + 0.5) / found.values.shape
    numbers = np.column_stack([fractions, found.values.ravel(), found.error.ravel()])
    write_csv(path, ("a", "b", "c", "density_per_A3", "error_per_A3"), numbers.tolist())


def write_cube_file(path: Path, found: Density) -> None:
    """Write the density [Å⁻³] as a Gaussian cube file, lengths in Bohr; ConfigError when it cannot be written."""
    from ase.units import Bohr

    shape = found.values.shape
    # The first value of a cube file is at its origin, ours half a voxel away from the corner of the cell.
    rows = [(0, *(0.5 / np.array(shape) @ found.cell / Bohr))]
    rows += [(n, *vector / n / Bohr) for n, vector in zip(shape, found.cell, strict=True)]
    head = [f"number density of {found.species}", "1/Angstrom^3"]
    head += [" ".join([str(row[0]), *(repr(float(value)) for value in row[1:])]) for row in rows]
    write_text_atomic(path, "\n".join([*head, *map(repr, found.values.ravel().tolist())]) + "\n")


def write_mesh(path: Path, surface: Isosurface | None) -> None:
    """Write the triangles [Å] as a Wavefront OBJ file; ConfigError when there are none, or it cannot be written."""
    if surface is None:
        raise ConfigError(f"{path}: a mesh is of the surface at a density; give that density with --level")
    lines = [f"# isosurface at {surface.level!r} 1/Angstrom^3, lengths in Angstrom"]
    lines += [f"v {x!r} {y!r} {z!r}" for x, y, z in surface.vertices.tolist()]
    lines += [f"f {i} {j} {k}" for i, j, k in (surface.faces + 1).tolist()]
    write_text_atomic(path, "\n".join(lines) + "\n")


def sites_record(found: Occupancy, species: str, kinds: Sequence[str]) -> dict[str, Any]:
    """Return occupancy by kind of site (`kinds`, site by site), and jumps by kinds, of the ions of `species`."""
    members = {kind: np.flatnonzero(np.array(kinds) == kind) for kind in sorted(set(kinds))}
    jumps = Counter((kinds[start], kinds[end]) for start, end in found.jumps[:, 2:].tolist())
    return {
        "species": species,
        "sites": {
            kind: {"n_sites": len(sites), "ions_per_site": found.mean_of(sites).as_dict()}
            for kind, sites in members.items()
        },
        "part_of_time_between_sites": found.between,
        "jumps": [{"from": start, "to": end, "count": count} for (start, end), count in sorted(jumps.items())],
        "jumps_per_ion_and_ps": found.jump_rate.as_dict(),
    }


def sites_table(record: dict[str, Any]) -> "Table":
    """Return the occupancies of `sites_record` for a terminal."""
    table = new_table(f"{record['species']} on sites", "kind", "sites", "ions per site")
    for kind, one in record["sites"].items():
        table.add_row(kind, str(one["n_sites"]), str(Estimate.from_dict(one["ions_per_site"])))
    return table


def jump_remarks(record: dict[str, Any]) -> list[str]:
    """Return the jumps of `sites_record`, and the time between sites, in words."""
    counts = [f"{one['from']} to {one['to']} {one['count']}" for one in record["jumps"]]
    return [
        f"between sites {record['part_of_time_between_sites']:.1%} of the time",
        f"jumps: {', '.join(counts) or 'none'}",
        f"jumps per ion and ps {Estimate.from_dict(record['jumps_per_ion_and_ps'])}",
    ]


def write_sites(path: Path, found: Occupancy, kinds: Sequence[str], places: Floats) -> None:
    """Write kind, fractions `places`, mean number of ions and its error, site by site, as CSV.

    Raises ConfigError when it cannot be written.
    """
    rows = zip(kinds, *places.T, found.occupancy, found.error, strict=True)
    write_csv(path, ("kind", "a", "b", "c", "ions", "error"), rows)


def read_points(paths: Sequence[Path], species: str, quantity: str) -> ArrheniusPoints:
    """Read what ``transport msd --json`` printed at several temperatures, and fit the line.

    Raises ConfigError for a file, species or quantity that is none, ConvergenceError when fewer than two
    temperatures have a number.
    """
    if quantity not in UNITS:
        raise ConfigError(f"--quantity {quantity}: is none; choose one of {', '.join(UNITS)}")
    seen: dict[str, Path] = {}
    for path in paths:
        other = seen.setdefault(sha256_of(path), path)
        if other is not path:
            raise ConfigError(f"{path}: is the same result as {other}; give every result once")
    points = sorted((_point(path, species, quantity) for path in paths), key=lambda point: point[0])
    temperatures, values = zip(*points, strict=True)
    fit = fit_arrhenius(temperatures, values, "diffusion" if quantity == "diffusion" else "conductivity")
    return ArrheniusPoints(species, quantity, temperatures, values, fit)


def arrhenius_record(points: ArrheniusPoints, at: Sequence[float]) -> dict[str, Any]:
    """Return activation energy, points and predictions at the temperatures `at` [K]."""
    fit, unit = points.fit, _ASCII_UNITS[points.quantity]
    return {
        "species": points.species,
        "quantity": f"{points.quantity}_{unit}",
        "activation_energy_eV": fit.activation_energy.as_dict(),
        "scatter": fit.scatter,
        "used_K": list(fit.used),
        "upper_bounds_left_out_K": list(fit.bounds),
        "points": [
            {"temperature_K": t, **one.as_dict()} for t, one in zip(points.temperatures, points.values, strict=True)
        ],
        "predictions": [
            {"temperature_K": one.temperature, "extrapolated": one.extrapolated, **one.value.as_dict()}
            for one in map(fit.predict, at)
        ],
    }


def arrhenius_table(points: ArrheniusPoints, at: Sequence[float]) -> "Table":
    """Return points, line and predictions for a terminal."""
    unit, fit = UNITS[points.quantity], points.fit
    title = f"{points.species}, {points.quantity}: E_a = {fit.activation_energy} eV"
    table = new_table(title, "K", unit, "")
    for temperature, one in zip(points.temperatures, points.values, strict=True):
        table.add_row(f"{temperature:g}", str(one), "upper bound, left out" if one.is_upper_bound else "")
    for said in map(fit.predict, at):
        low, high = f"{said.value.low:.2g}", f"{said.value.high:.2g}"
        remark = f"line{', extrapolated' if said.extrapolated else ''}; 95 %: {low} to {high}"
        table.add_row(f"{said.temperature:g}", str(said.value), remark)
    return table


def write_arrhenius(path: Path, points: ArrheniusPoints) -> None:
    """Write points and line with their 95 % intervals as CSV; ConfigError when it cannot be written."""
    found = [("point", t, one) for t, one in zip(points.temperatures, points.values, strict=True)]
    line = [("line", one.temperature, one.value) for one in points.line()]
    rows = [(kind, t, "" if one.value is None else one.value, one.low, one.high) for kind, t, one in (*found, *line)]
    unit = _ASCII_UNITS[points.quantity]
    write_csv(path, ("kind", "temperature_K", f"{points.quantity}_{unit}", "low_95", "high_95"), rows)


def _point(path: Path, species: str, quantity: str) -> tuple[float, Estimate]:
    """Temperature [K] and estimate that one file holds."""
    none = ConfigError(f"{path}: holds no result of `transport msd --json`, or a damaged one; write its output there")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        temperature, known = float(record["temperature_K"]), dict(record["species"])
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read ({problem.strerror}); check the path") from None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise none from None
    if species not in known:
        raise ConfigError(f"{path}: no species {species!r}; it holds {', '.join(known)}")
    names = {"diffusion": "D_cm2_per_s", "conductivity": "tracer_conductivity_S_per_cm"}
    try:
        holder = record if quantity == "collective" else known[species]
        entry = holder.get(names.get(quantity, "collective_conductivity_S_per_cm"))
        found = None if entry is None else _estimate(entry)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise none from None
    if found is None:
        raise ConfigError(f"{path}: {species} was not among the --mobile species, so it has no {quantity}")
    return temperature, found


def _estimate(entry: dict[str, Any]) -> Estimate:
    """Read an estimate of something positive; ValueError, KeyError or TypeError for anything else."""
    found = Estimate.from_dict(entry)
    numbers = [float(one) for one in (found.value, found.error, found.low, found.high) if one is not None]
    if not np.isfinite(numbers).all() or found.high <= 0.0 or (found.value is not None and found.value <= 0.0):
        raise ValueError("no number")
    return found
