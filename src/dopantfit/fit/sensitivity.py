"""What each parameter does to each kind of residual: how far the residuals move when it moves by one standard error."""

from dataclasses import dataclass

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.fit.objective import Candidate, Objective
from dopantfit.fit.uncertainty import Uncertainty

#: Residuals that are no data: turn-over radii and priors.
OTHERS = "guards and priors"


@dataclass(frozen=True)
class Sensitivity:
    """kinds: of residuals, as in "forces on Na". norms: ``shape=(n_variables, n_kinds)``, ‖∂r/∂p‖ times the error of p.

    The error is the standard deviation in the covariance, which the box bounds: it is finite for every parameter. A
    norm of one means that moving the parameter by its error changes the sum of squares of that kind by about one.
    """

    kinds: tuple[str, ...]
    norms: Floats


def sensitivity_at(objective: Objective, best: Candidate, found: Uncertainty) -> Sensitivity:
    """Norms at a candidate; ConfigError for a rejected one."""
    jacobian = objective.jacobian(best) * np.sqrt(np.diag(found.covariance))
    labels = np.array(row_kinds(objective, len(jacobian)))
    kinds = tuple(dict.fromkeys(labels.tolist()))
    norms = [np.sqrt((jacobian[labels == kind] ** 2).sum(axis=0)) for kind in kinds]
    return Sensitivity(kinds, np.array(norms).T)


def row_kinds(objective: Objective, count: int) -> list[str]:
    """What each of the ``count`` residuals is, in their order (see the module ``residuals``)."""
    kinds: list[str] = []
    for target in objective.targets:
        weighted = np.flatnonzero(target.force_weight > 0.0)
        labels = target.ion_labels
        kinds += [f"forces on {labels[ion]}" for ion in weighted for _ in range(3)]
        kinds += ["stress"] * (6 if target.stress_weight and target.stress is not None else 0)
    kinds += ["energies"] * (objective.data_count - objective.exchange_count - len(kinds))
    kinds += ["exchanges"] * objective.exchange_count
    return kinds + [OTHERS] * (count - len(kinds))
