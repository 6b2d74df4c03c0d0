"""Approximate inverses of the shell Hessian that steer a relaxation: a Cholesky factor, or conjugate gradients.

Steering decides how many passes a relaxation takes, never where it ends.
"""

from typing import Protocol

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, cg, eigsh

from dopantfit.energy.arrays import Floats
from dopantfit.energy.shell_hessian import dense_hessian, dense_steering_hessian, steering_blocks
from dopantfit.energy.shell_problem import Pass, ShellProblem
from dopantfit.errors import ConvergenceError

#: Up to this many shells the steering Hessian is a dense matrix; a larger one is sparse.
DENSE_SHELLS = 250
#: A sparse steering Hessian screens Coulomb terms this strongly [1/Å], so that near neighbours are enough;
#: the waves that this leaves out soften it by at most a third, which costs passes and no accuracy.
SPARSE_SCREENING = 0.45
#: First shift [eV/Å²] tried on a Hessian that is not positive definite; about a hundredth of an oxygen spring, so that
#: one that nearly is steers nearly as well.
FIRST_SHIFT = 1.0
LARGEST_SHIFT = 1e8


class Steering(Protocol):
    """Something that turns a force on the shells into a good step.

    shifted: whether its Hessian had to be made positive definite, which may mean that a saddle is near.
    """

    shifted: bool

    def step(self, force: Floats) -> Floats:
        """Approximately H⁻¹ force [Å], both ``shape=(3 n_shells,)``."""


class DenseSteering:
    """A Cholesky factor of the steering Hessian, shifted until it is positive definite."""

    def __init__(self, hessian: Floats) -> None:
        shift = 0.0
        while True:
            try:
                shifted = hessian if shift == 0.0 else hessian + shift * np.eye(len(hessian))
                self._factor = scipy.linalg.cho_factor(shifted, lower=False, check_finite=False)
                self.shifted = shift > 0.0
                return
            except scipy.linalg.LinAlgError:
                shift = max(FIRST_SHIFT, 4 * shift)
                if not shift < LARGEST_SHIFT:
                    raise ConvergenceError("the shell Hessian is not finite; check the structure") from None

    def step(self, force: Floats) -> Floats:
        """See ``Steering.step``."""
        step: Floats = scipy.linalg.cho_solve(self._factor, force, check_finite=False)
        return step


class SparseSteering:
    """Real-space blocks only, solved by conjugate gradients preconditioned with the shells' own blocks."""

    def __init__(self, problem: ShellProblem, displacement: Floats) -> None:
        own, value, column, start = steering_blocks(problem, displacement, SPARSE_SCREENING)
        n = 3 * len(own)
        floor = np.linalg.eigvalsh(own).min(initial=np.inf)
        self.shifted = bool(floor < FIRST_SHIFT)
        if self.shifted:
            own = own + (FIRST_SHIFT - floor) * np.eye(3)
        self._coupling = scipy.sparse.bsr_matrix((value, column, start), shape=(n, n))
        self._own = own
        self._preconditioner = np.linalg.inv(own)

    def step(self, force: Floats) -> Floats:
        """See ``Steering.step``; one percent is close enough for a step."""
        n = len(force)

        def precondition(vector: Floats) -> Floats:
            result: Floats = np.einsum("nab,nb->na", self._preconditioner, vector.reshape(-1, 3)).ravel()
            return result

        operator = LinearOperator((n, n), matvec=self._product)
        step, _ = cg(operator, force, rtol=1e-2, maxiter=50, M=LinearOperator((n, n), matvec=precondition))
        result: Floats = step
        return result

    def lowest_eigenvalue(self) -> float:
        """Lowest eigenvalue of the Hessian, shift included [eV/Å²], to one percent of the spectrum's width."""
        n = 3 * len(self._own)
        start = np.sin(1.0 + np.arange(n))  # any vector without the symmetry of the cell
        values = eigsh(LinearOperator((n, n), matvec=self._product), 1, which="SA", tol=1e-2, v0=start)[0]
        return float(values[0])

    def _product(self, vector: Floats) -> Floats:
        own: Floats = np.einsum("nab,nb->na", self._own, vector.reshape(-1, 3)).ravel()
        return own + self._coupling @ vector


def make_steering(problem: ShellProblem, displacement: Floats, shells: Pass) -> Steering:
    """Steering for a relaxation around these shells; shells: the shell pass made there."""
    if len(displacement) <= DENSE_SHELLS:
        return DenseSteering(dense_steering_hessian(problem, displacement, shells))
    return SparseSteering(problem, displacement)


def is_minimum(problem: ShellProblem, displacement: Floats, shells: Pass) -> bool:
    """Whether the energy curves upwards for every move of these shells; the Hessian is exact unless it is sparse."""
    if len(displacement) > DENSE_SHELLS:
        sparse = SparseSteering(problem, displacement)
        return not sparse.shifted and sparse.lowest_eigenvalue() > 0.0
    try:
        scipy.linalg.cholesky(
            dense_hessian(problem, displacement, shells, np.empty((0, 6, 3))), lower=False, check_finite=False
        )
    except scipy.linalg.LinAlgError:
        return False
    return True
