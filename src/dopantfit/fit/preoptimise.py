"""Pre-optimisation: a simple compound's relaxed cell is brought to its reference cell, by L-BFGS-B on few parameters.

The reference cell is the minimum of the equation of state that a family of isotropically strained DFT frames spans, or
a cell that the file gives with its source.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from dopantfit.energy.arrays import Floats
from dopantfit.energy.threads import with_one_blas_thread
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError, ReferenceDataError
from dopantfit.fit.cell import RelaxedCell, relax_cell
from dopantfit.fit.config import CrystalCell, Preoptimisation
from dopantfit.fit.descent import descend
from dopantfit.fit.variables import Space
from dopantfit.reference.frames import calculated, load_set

#: Part of the unit box over which derivatives of the relaxed cell are central differences. Lengths are good to 1e-6, so
#: this gives slopes to about 1e-3, and the curvature over it changes them by less.
STEP = 1e-3
#: Cost of parameters under which the cell does not come to rest.
LOST = 1e6
#: What a family may differ by and still count as isotropically strained: relative to the shape of its first cell.
SAME_SHAPE = 1e-6
CELL_QUANTITIES = ("a (Å)", "b (Å)", "c (Å)", "alpha (°)", "beta (°)", "gamma (°)", "volume (Å³)")


@dataclass(frozen=True)
class ReferenceCell:
    """The compound's cell to be met, and where it comes from.

    volumes [Å³], energies [eV/atom]: the equation of state whose minimum it is; empty for a cell that was given.
    """

    atoms: Atoms
    source: str
    volumes: Floats
    energies: Floats

    @property
    def lengths_and_volume(self) -> Floats:
        """The lengths a, b, c [Å] and V [Å³]."""
        return np.array([*self.atoms.cell.lengths(), self.atoms.cell.volume])


@dataclass(frozen=True)
class Preoptimised:
    """What came out: the point in the whole box, and the relaxed cells before and after. residual: ½ Σ residual²."""

    point: Floats
    names: tuple[str, ...]
    reference: ReferenceCell
    before: RelaxedCell
    after: RelaxedCell
    cost_before: float
    cost: float
    evaluations: int


def reference_cell(settings: Preoptimisation, folder: Path) -> ReferenceCell:
    """The cell that the settings name; paths are relative to ``folder``.

    Raises ReferenceDataError for an equation of state without a minimum, ConfigError for an unknown crystal.
    """
    if isinstance(settings.reference, CrystalCell):
        return ReferenceCell(settings.reference.atoms(), settings.reference.source, np.empty(0), np.empty(0))
    return _equilibrium_cell(folder / str(settings.path), str(settings.family))


def _equilibrium_cell(folder: Path, family: str) -> ReferenceCell:
    """The minimum of a third-order Birch-Murnaghan equation (Birch, Phys. Rev. 71, 809 (1947)) through a family.

    Raises ReferenceDataError when the family has fewer than four frames, other shapes, or no minimum among them.
    """
    frames = [atoms for atoms in load_set(folder).frames if atoms.info["family"] == family]
    if len(frames) < 4:
        raise ReferenceDataError(
            f"{folder}: family {family!r} has {len(frames)} frames; an equation of state needs four"
        )
    shapes = [atoms.cell.array / atoms.cell.volume ** (1 / 3) for atoms in frames]
    if max(np.abs(shape - shapes[0]).max() for shape in shapes) > SAME_SHAPE:
        raise ReferenceDataError(
            f"{folder}: family {family!r} has cells of several shapes; name one of isotropic strains"
        )
    volumes = np.array([atoms.cell.volume for atoms in frames])
    energies = np.array([float(calculated(atoms)["energy"]) / len(atoms) for atoms in frames])
    # The energy is a cubic polynomial in x = V^(-2/3); x is centred so that the fit is well conditioned.
    x = volumes ** (-2 / 3)
    scale = x.mean()
    polynomial = np.polynomial.Polynomial.fit(x / scale, energies - energies.mean(), 3)
    slope = polynomial.deriv()
    roots = [float(root.real) for root in slope.roots() if abs(root.imag) < 1e-12 and slope.deriv()(root.real) > 0]
    minima = [(root * scale) ** -1.5 for root in roots]
    inside = [volume for volume in minima if volumes.min() <= volume <= volumes.max()]
    if not inside:
        raise ReferenceDataError(
            f"{folder}: the energies of family {family!r} have no minimum between {volumes.min():.2f} and "
            f"{volumes.max():.2f} Å³; add larger or smaller volumes"
        )
    nearest = frames[int(np.abs(volumes - inside[0]).argmin())].copy()
    nearest.set_cell(nearest.cell.array * (inside[0] / nearest.cell.volume) ** (1 / 3), scale_atoms=True)
    return ReferenceCell(nearest, f"equation of state of {folder.name}/{family}", volumes, energies)


def check_parameters(space: Space, settings: Preoptimisation, source: str) -> None:
    """Raise ConfigError for a parameter that is not free."""
    names = [variable.name for variable in space.variables]
    unknown = [name for name in settings.parameters if name not in names]
    if unknown:
        raise ConfigError(
            f"{source}: preoptimisation.parameters names {unknown[0]!r}, which is not free; free are {', '.join(names)}"
        )


@with_one_blas_thread
def preoptimise(space: Space, settings: Preoptimisation, reference: ReferenceCell, source: str) -> Preoptimised:
    """Vary the named parameters until the relaxed cell is the reference's.

    Raises ConfigError for a parameter that is not free, and CollapseError or ConvergenceError when not even the start
    has a cell at rest.
    """
    check_parameters(space, settings, source)
    names = [variable.name for variable in space.variables]
    which = [names.index(name) for name in settings.parameters]
    problem = _CellProblem(space, settings, reference, which)
    start = space.start[which]
    cost_before = problem.cost_and_gradient(start)[0]

    descent = descend(problem.cost_and_gradient, start, cost_before, settings.max_iterations, 1e-4, 1e-10)
    residuals, after = problem.residuals(descent.point)
    return Preoptimised(
        point=problem.whole(descent.point),
        names=tuple(settings.parameters),
        reference=reference,
        before=problem.first,
        after=after,
        cost_before=cost_before,
        cost=0.5 * float(residuals @ residuals),
        evaluations=problem.evaluations,
    )


class _CellProblem:
    """Residuals of the relaxed cell as a function of a few coordinates; every relaxation starts from the first one."""

    def __init__(self, space: Space, settings: Preoptimisation, reference: ReferenceCell, which: Sequence[int]) -> None:
        self.space, self.which = space, list(which)
        self.reference = reference
        self.errors = np.array([settings.axis_error] * 3 + [settings.volume_error])
        self.evaluations = 0
        self.first = relax_cell(reference.atoms, space.base)

    def whole(self, part: Floats) -> Floats:
        """The point of the whole box with these coordinates in it."""
        point = self.space.start.copy()
        point[self.which] = part
        return point

    def residuals(self, part: Floats, start: RelaxedCell | None = None) -> tuple[Floats, RelaxedCell]:
        """Relative deviations of a, b, c and V, each in its error, and the cell at rest."""
        self.evaluations += 1
        potential = self.space.potential(self.space.values(self.whole(part)))
        rest = relax_cell(self.reference.atoms, potential, start or self.first)
        target = self.reference.lengths_and_volume
        return (rest.lengths_and_volume / target - 1.0) / self.errors, rest

    def cost_and_gradient(self, part: Floats) -> tuple[float, Floats]:
        """Half the sum of squares; a cell that does not come to rest costs ``LOST`` and more with the distance."""
        try:
            residuals, rest = self.residuals(part)
            jacobian = np.empty((len(residuals), len(part)))
            for number in range(len(part)):
                shift = np.zeros(len(part))
                shift[number] = STEP
                # At the edge of the box the difference is one-sided, because coordinates are cut off there.
                high, low = np.clip(part + shift, 0.0, 1.0), np.clip(part - shift, 0.0, 1.0)
                ends = [self.residuals(end, rest)[0] for end in (high, low)]
                jacobian[:, number] = (ends[0] - ends[1]) / (high - low)[number]
        except (CollapseError, ConvergenceError):
            away = part - self.space.start[self.which]
            return LOST * (1.0 + float(away @ away)), 2.0 * LOST * away
        return 0.5 * float(residuals @ residuals), jacobian.T @ residuals


def table_entries(
    space: Space, found: Preoptimised, fitted: RelaxedCell | None, values: Floats
) -> list[dict[str, Any]]:
    """The table of the pre-optimisation: its parameters, and every number of the cell, at the reference and relaxed.

    fitted: the cell at rest under the whole fit's potential, whose values are ``values``.
    """
    cells = {
        "reference": found.reference.atoms,
        "start": found.before.atoms,
        "preoptimised": found.after.atoms,
        "fitted": None if fitted is None else fitted.atoms,
    }
    of_parameters = (np.full(len(values), np.nan), space.values(space.start), space.values(found.point), values)
    entries: list[dict[str, Any]] = []
    for number, variable in enumerate(space.variables):
        if variable.name in found.names:
            numbers = [None if np.isnan(one[number]) else float(one[number]) for one in of_parameters]
            row = dict(zip(cells, numbers, strict=True))
            entries.append({"quantity": f"{variable.name} ({variable.unit})", **row})
    lists = {name: _cell_numbers(atoms) for name, atoms in cells.items()}
    for row_number, quantity in enumerate(CELL_QUANTITIES):
        entries.append({"quantity": quantity, **{name: numbers[row_number] for name, numbers in lists.items()}})
    return entries


def _cell_numbers(atoms: Atoms | None) -> list[float | None]:
    """In the order of ``CELL_QUANTITIES``; Nones where there is no cell."""
    if atoms is None:
        return [None] * len(CELL_QUANTITIES)
    return [*atoms.cell.cellpar().tolist(), float(atoms.cell.volume)]
