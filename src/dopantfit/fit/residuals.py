"""The numbers a fit makes small: weighted differences of forces, energies and stresses, in a fixed order.

Frame by frame come the forces, then the stress; after all frames come the energies, then those of exchanges, then
turn-over radii and priors.
Energies are compared within a group: d = E(potential) - E(DFT) has one free offset per group, whose best value is the
weighted mean of d, so residuals are w (d - mean), in closed form.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from dopantfit.energy.arrays import Flags, Floats
from dopantfit.fit.data import Target


@dataclass(frozen=True)
class FrameSums:
    """A frame's evaluation with derivatives with respect to all n variables.

    energy (n,), forces (n, n_ions, 3), stress (n, 6).
    """

    energy: Floats
    forces: Floats
    stress: Floats


class FrameResult(Protocol):
    """What residuals need to know of a frame: forces (n_ions, 3) [eV/Å], stress (6,) [eV/Å³] or None, energy [eV].

    Of several candidates all have a leading axis.
    """

    @property
    def energy(self) -> float | Floats: ...  # noqa: D102

    @property
    def forces(self) -> Floats: ...  # noqa: D102

    @property
    def stress(self) -> Floats | None: ...  # noqa: D102


def frame_residuals(target: Target, evaluation: FrameResult) -> Floats:
    """Residuals of forces and stress of one frame, ``shape=(n_residuals,)``; of several candidates, if they lead."""
    parts = [np.empty((*evaluation.forces.shape[:-2], 0))]
    weighted = target.force_weight > 0.0
    if weighted.any():
        difference = evaluation.forces[..., weighted, :] - target.forces[weighted]
        parts.append((difference * target.force_weight[weighted, None]).reshape(*parts[0].shape[:-1], -1))
    if target.stress_weight and target.stress is not None and evaluation.stress is not None:
        parts.append((evaluation.stress - target.stress) * target.stress_weight)
    return np.concatenate(parts, axis=-1)


def frame_jacobian(target: Target, sums: FrameSums) -> Floats:
    """Derivatives of ``frame_residuals``, ``shape=(n_residuals, n)``."""
    parts = []
    weighted = target.force_weight > 0.0
    if weighted.any():
        forces = sums.forces[:, weighted] * target.force_weight[weighted, None]
        parts.append(forces.reshape(len(forces), -1).T)
    if target.stress_weight and target.stress is not None:
        parts.append(sums.stress.T * target.stress_weight)
    return np.concatenate(parts) if parts else np.empty((0, len(sums.energy)))


@dataclass(frozen=True)
class EnergyGroups:
    """Which frames share an energy offset.

    rows: indices of the frames whose energy is fitted. weights (n_rows,) [1/eV]. members: per group, flags over rows.
    """

    rows: tuple[int, ...]
    weights: Floats
    members: tuple[Flags, ...]

    def centred(self, differences: Floats) -> Floats:
        """W (d - weighted mean of the group) for d (n_frames,) [eV] or its derivatives (n_frames, n)."""
        chosen = differences[list(self.rows)]
        result = np.empty_like(chosen)
        for flags in self.members:
            square = self.weights[flags] ** 2
            mean = np.tensordot(square, chosen[flags], axes=1) / square.sum()
            result[flags] = ((chosen[flags] - mean).T * self.weights[flags]).T
        return result


def energy_groups(targets: Sequence[Target]) -> EnergyGroups:
    """The groups of frames with a fitted energy; a frame that is alone in its group says nothing and is left out."""
    weighted = [number for number, target in enumerate(targets) if target.energy_weight > 0.0]
    names = [targets[number].group for number in weighted]
    rows = tuple(number for number in weighted if names.count(targets[number].group) > 1)
    groups = [targets[number].group for number in rows]
    members = tuple(np.array([one == name for one in groups]) for name in dict.fromkeys(groups))
    return EnergyGroups(rows, np.array([targets[number].energy_weight for number in rows]), members)
