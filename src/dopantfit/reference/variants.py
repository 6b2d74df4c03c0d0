"""What needs no run: crystals to depart from, and a start strained, displaced at random, or as it is."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.reference.plan import Departing, Rattle, Recompute, Start, Strains, Volumes
from dopantfit.structures import substitution
from dopantfit.structures.convert import read_crystal
from dopantfit.structures.hosts import load_host
from dopantfit.structures.prototypes import Crystal
from dopantfit.structures.prototypes import crystal as crystal_of

Array = npt.NDArray[np.float64]


def start_ions(item: Departing, folder: Path) -> Atoms:
    """The ions that an item departs from, of a crystal; ConfigError where they cannot be made.

    folder: of the set. Not for items that depart from a frame or the end of a relaxation.
    """
    return crystal_start(item, folder, np.random.default_rng(item.seed))[0]


def crystal_start(item: Departing, folder: Path, rng: np.random.Generator) -> tuple[Atoms, str]:
    """The ions of a crystal, repeated and doped, and what they are in words."""
    start = item.start
    crystal, what = _crystal(start, folder, item.name)
    if start.primitive:
        crystal = crystal.primitive()
        what += ", primitive cell"
    if start.repeat != (1, 1, 1):
        crystal = crystal.repeated(start.repeat)
        what += ", {} x {} x {}".format(*start.repeat)
    atoms = crystal.ions if start.file is None else crystal.sites[crystal.sites.numbers != 0]
    if start.substitutions:
        changes = [substitution.Substitution(**change.model_dump()) for change in start.substitutions]
        try:
            atoms = substitution.substituted(crystal, changes, rng)
        except ConfigError as problem:
            raise ConfigError(f"{item.name}: start.substitutions: {problem}") from None
        text = ", ".join(f"{change.count} {change.replaced} to {change.dopant}" for change in changes)
        what += f", {text}, seed {item.seed}"
    return atoms, what


def _crystal(start: Start, folder: Path, name: str) -> tuple[Crystal, str]:
    """The crystal that a start names, and in words."""
    source = "file" if start.file is not None else "host" if start.host is not None else "prototype"
    named = str(getattr(start, source))
    try:
        if source == "file":
            ions = read_crystal(folder / named)
            places = np.reshape(start.empty_sites, (-1, 3)) @ ions.cell.array
            empty = Atoms("X" * len(places), positions=places, cell=ions.cell, pbc=True)
            return Crystal(ions + empty, start.mobile), named
        found = load_host(named, folder).conventional if source == "host" else crystal_of(named)
        return found, f"{source} {named}"
    except ConfigError as problem:
        raise ConfigError(f"{name}: start.{source}: {problem}") from None


def variants(
    item: Volumes | Strains | Rattle | Recompute, start: Atoms, what: str, rng: np.random.Generator
) -> Iterator[tuple[Atoms, str]]:
    """Yield the configurations of an item, each with what it is in words. what: the start in words."""
    if isinstance(item, Volumes):
        for scale in item.scales:
            yield strained(start, scale - 1.0), f"{what}, lengths scaled by {scale!r}"
    elif isinstance(item, Strains):
        for tensor in item.strains:
            xx, yy, zz, yz, xz, xy = tensor
            matrix = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
            yield (
                _deformed(start, matrix),
                f"{what}, strain (xx yy zz yz xz xy) {' '.join(map(repr, tensor))}",
            )
    elif isinstance(item, Rattle):
        strains = item.strains or (0.0,) * len(item.sigmas)
        for sigma, strain in zip(item.sigmas, strains, strict=True):
            atoms = strained(start, strain)
            moves = rng.normal(scale=sigma, size=(len(atoms), 3))
            atoms.positions += moves - moves.mean(axis=0)
            yield atoms, f"{what}, displaced with sigma {sigma!r} Å, strain {strain!r}, seed {item.seed}"
    else:
        yield start.copy(), what


def strained(atoms: Atoms, strain: float) -> Atoms:
    """Return a copy under an isotropic linear strain, fractional coordinates kept."""
    return _deformed(atoms, np.eye(3) * strain)


def _deformed(atoms: Atoms, strain: Array) -> Atoms:
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return result
