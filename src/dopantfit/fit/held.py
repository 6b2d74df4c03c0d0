"""Parameters that no frame can tell, because their ions never come near: they keep their starts, and it is said so.

A start that was scaled from a like ion is better than what a search makes of residuals that do not depend on it, which
is a bound of its box.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from dopantfit.fit.data import Information
from dopantfit.fit.record_schema import HeldParameter
from dopantfit.fit.variables import Space, Variable
from dopantfit.potential import Potential
from dopantfit.potential.parameters import PAIR_QUANTITIES

#: A term that is weaker than this where its ions are nearest [eV] moves no ion: kT is 26 meV at room temperature.
WEAK = 5e-3


def hold_unseen(
    space: Space, informed: Sequence[Information]
) -> tuple[Space, tuple[Information, ...], tuple[HeldParameter, ...]]:
    """Return the space without what is held, what informs the rest, and what is held; all of it where all would be."""
    both = list(zip(space.variables, informed, strict=True))
    free = [(variable, about) for variable, about in both if not _is_unseen(variable, about, space.base)]
    if not free:
        return space, tuple(informed), ()
    held = tuple(
        HeldParameter(name=variable.name, unit=variable.unit, value=variable.start, closest=about.closest)
        for variable, about in both
        if (variable, about) not in free
    )
    return replace(space, variables=tuple(one for one, _ in free)), tuple(about for _, about in free), held


def _is_unseen(variable: Variable, about: Information, base: Potential) -> bool:
    of = {parameter.of for parameter, _ in variable.effects if parameter.quantity in PAIR_QUANTITIES}
    if len(of) != 1 or len(variable.effects) != 1:
        return False
    if about.closest is None:
        return True
    term, r = base.pair(*of.pop()), about.closest
    return term.A * math.exp(-r / term.rho) + term.C / r**6 < WEAK
