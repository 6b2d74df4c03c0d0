"""Preconditioners of a shell relaxation: a Cholesky factor of an approximate Hessian, or conjugate gradients on it."""

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, cg, eigsh

from dopantfit.energy.arrays import Floats
from dopantfit.energy.minimiser import Preconditioner
from dopantfit.energy.problem import ShellProblem, SiteForces
from dopantfit.energy.shell_hessian import dense_hessian, dense_near_hessian, near_blocks
from dopantfit.errors import ConvergenceError

#: Up to this many shells the preconditioner is a dense matrix; a larger one is sparse.
DENSE_SHELLS = 250
#: A sparse one screens Coulomb terms this strongly [1/Å], so that near neighbours are enough;
#: the waves that this leaves out soften it by at most a third, which costs passes and no accuracy.
SPARSE_SCREENING = 0.45
#: First shift [eV/Å²] tried on a Hessian that is not positive definite; about a hundredth of an oxygen spring, so that
#: one that nearly is serves nearly as well.
FIRST_SHIFT = 1.0
LARGEST_SHIFT = 1e8


class CholeskyPreconditioner:
    """A Cholesky factor of a Hessian, shifted until it is positive definite."""

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
        """See ``Preconditioner.step``."""
        step: Floats = scipy.linalg.cho_solve(self._factor, force, check_finite=False)
        return step


class SparsePreconditioner:
    """Real-space blocks only, solved by conjugate gradients preconditioned with the shells' own blocks."""

    def __init__(self, problem: ShellProblem, displacement: Floats) -> None:
        own, value, column, start = near_blocks(problem, displacement, SPARSE_SCREENING)
        n = 3 * len(own)
        floor = np.linalg.eigvalsh(own).min(initial=np.inf)
        self.shifted = bool(floor < FIRST_SHIFT)
        if self.shifted:
            own = own + (FIRST_SHIFT - floor) * np.eye(3)
        self._coupling = scipy.sparse.bsr_matrix((value, column, start), shape=(n, n))
        self._own = own
        self._inverse = np.linalg.inv(own)

    def step(self, force: Floats) -> Floats:
        """See ``Preconditioner.step``; one percent is close enough for a step."""
        n = len(force)

        def precondition(vector: Floats) -> Floats:
            result: Floats = np.einsum("nab,nb->na", self._inverse, vector.reshape(-1, 3)).ravel()
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


def shell_preconditioner(problem: ShellProblem, displacement: Floats, shells: SiteForces) -> Preconditioner:
    """The preconditioner of a relaxation around these shells; shells: the shell pass made there."""
    if len(displacement) <= DENSE_SHELLS:
        return CholeskyPreconditioner(dense_near_hessian(problem, displacement, shells))
    return SparsePreconditioner(problem, displacement)


def is_minimum(problem: ShellProblem, displacement: Floats, shells: SiteForces) -> bool:
    """Whether the energy curves upwards for every move of these shells; the Hessian is exact unless it is sparse."""
    if len(displacement) > DENSE_SHELLS:
        sparse = SparsePreconditioner(problem, displacement)
        return not sparse.shifted and sparse.lowest_eigenvalue() > 0.0
    try:
        scipy.linalg.cholesky(
            dense_hessian(problem, displacement, shells, np.empty((0, 6, 3))), lower=False, check_finite=False
        )
    except scipy.linalg.LinAlgError:
        return False
    return True
