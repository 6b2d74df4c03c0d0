"""Which ions came too close, or lost their shells: the words of a CollapseError."""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from dopantfit.lammps.data_file import Array
from dopantfit.lammps.guard import Patch
from dopantfit.lammps.settings import LONGEST_CORE_SHELL

#: Ions that an error names.
_NAMED = 3


def core_shell_lengths(atoms: Atoms, shells: Array) -> Array:
    """Distance of each shell from its core [Å], ``shape=(n,)``; nan for ions without a shell."""
    offsets = np.linalg.solve(atoms.cell.array.T, (shells - atoms.positions).T).T
    nearest = (offsets - np.rint(offsets)) @ atoms.cell.array
    return np.asarray(np.linalg.norm(nearest, axis=1))


def broken_shells(atoms: Atoms, shells: Array, labels: Sequence[str]) -> str:
    """Name the shells that left their cores, the farthest first; empty if none did."""
    lengths = np.nan_to_num(core_shell_lengths(atoms, shells))
    worst = [int(i) for i in np.argsort(-lengths) if lengths[i] > LONGEST_CORE_SHELL]
    return _listed([f"{labels[i]} {i}: shell {lengths[i]:.2f} Å from its core" for i in worst])


def crossed_pairs(atoms: Atoms, shells: Array, labels: Sequence[str], patches: Sequence[Patch]) -> str:
    """Name the pairs whose Buckingham sites are inside the patched range, the deepest first; empty if none are."""
    if not patches:
        return ""
    sites = Atoms(atoms.numbers, cell=atoms.cell, pbc=True)
    sites.positions = np.where(np.isfinite(shells), shells, atoms.positions)
    known = {patch.pair: patch for patch in patches}
    first, second, distance = neighbor_list("ijd", sites, max(patch.radius for patch in patches))
    found = []
    for i, j, r in zip(first.tolist(), second.tolist(), distance.tolist(), strict=True):
        a, b = sorted((labels[i], labels[j]))
        patch = known.get((a, b))
        if i < j and patch is not None and r < patch.radius:
            text = f"{labels[i]} {i} and {labels[j]} {j}: {r:.2f} Å apart (turn-over at {patch.turn_over:.2f} Å)"
            found.append((r - patch.turn_over, text))
    return _listed([text for _, text in sorted(found)])


def _listed(texts: Sequence[str]) -> str:
    more = f"; {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more
