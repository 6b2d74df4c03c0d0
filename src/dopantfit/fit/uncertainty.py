"""How well the data tell the parameters: covariance at the minimum, correlations, and which ones they do not tell.

In the unit box a bound-to-bound uniform distribution has the variance 1/12: what one knows of a parameter before any
datum. With s² the reduced χ², J the Jacobian and I/12 that box, the Laplace approximation of the posterior is
C = (JᵀJ/s² + 12 I)⁻¹, finite whatever the data leave open. The standard error of a parameter is what the data alone say
about it, 1/C_ii - 12 being their information on i with the others free in their boxes. A parameter at a bound is
treated like the others, so that what correlates with it does not seem better known than it is.
"""

from dataclasses import dataclass

import numpy as np

from dopantfit.energy.arrays import Flags, Floats
from dopantfit.fit.descent import at_bound
from dopantfit.fit.objective import Candidate, Objective

#: Information of a uniform distribution over the unit box: 1 / variance.
BOX_INFORMATION = 12.0
#: A parameter is identified when its standard error is below this part of the box's own standard deviation.
IDENTIFIED = 0.5


@dataclass(frozen=True)
class Uncertainty:
    """The distribution of the variables around a minimum, in the order of the space.

    standard_error: in the unit of each variable; infinite where the data say nothing. covariance: of the coordinates in
    the unit box, ``shape=(n, n)``. correlation: ``shape=(n, n)``. at_bound: pushed
    against a bound. identified: told by the data, not only by the bounds. reduced_chi2: Σ residual² / degrees of
    freedom.
    """

    values: Floats
    standard_error: Floats
    covariance: Floats
    correlation: Floats
    at_bound: Flags
    identified: Flags
    reduced_chi2: float
    degrees_of_freedom: int


def uncertainty_at(objective: Objective, best: Candidate) -> Uncertainty:
    """Gauss-Newton covariance at a candidate, which should be a minimum; ConfigError for a rejected one."""
    residuals, jacobian = objective.linearised(best)
    n = len(best.point)
    freedom = max(len(residuals) - objective.offset_count - n, 1)
    chi2 = float(residuals @ residuals) / freedom
    # Data that are met exactly leave no scale to divide by.
    information = jacobian.T @ jacobian / max(chi2, np.finfo(float).eps)
    covariance = np.asarray(np.linalg.inv(information + BOX_INFORMATION * np.eye(n)), dtype=np.float64)
    variance = np.diag(covariance)
    # Rounding can leave a tiny negative number where the data say nothing.
    of_data = np.maximum(1.0 / variance - BOX_INFORMATION, 0.0)
    error = np.full(n, np.inf)
    np.divide(1.0, np.sqrt(of_data), out=error, where=of_data > 1e-9)
    return Uncertainty(
        values=best.values,
        standard_error=error * objective.space.slopes(best.values),
        covariance=covariance,
        correlation=covariance / np.sqrt(np.outer(variance, variance)),
        at_bound=at_bound(best.point, jacobian.T @ residuals),
        identified=error < IDENTIFIED / np.sqrt(BOX_INFORMATION),
        reduced_chi2=chi2,
        degrees_of_freedom=freedom,
    )


def strongest_correlation(uncertainty: Uncertainty, number: int) -> tuple[int, float]:
    """The variable that varies most with variable ``number``, and their correlation; itself where there is no other."""
    row = uncertainty.correlation[number].copy()
    row[number] = 0.0
    other = int(np.abs(row).argmax())
    return (other, float(row[other])) if row[other] else (number, 0.0)


def draw(uncertainty: Uncertainty, point: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Points from the distribution around ``point``, moved into the box: ``shape=(count, n)``."""
    values, vectors = np.linalg.eigh(uncertainty.covariance)
    roots = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn: Floats = np.clip(point + rng.normal(size=(count, len(point))) @ roots.T, 0.0, 1.0)
    return drawn
