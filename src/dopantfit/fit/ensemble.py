"""Potentials that the data hardly tell from the best one: other minima, and draws from the covariance.

A draw comes from a linearised model, and far along a flat direction the cost may not follow it. So every draw is
evaluated exactly, and kept only where its cost lies within what the data allow: twice its rise over the best cost, in
units of the reduced χ², is χ²-distributed with as many degrees of freedom as there are variables.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.fit.config import EnsembleDraws
from dopantfit.fit.local import Refined
from dopantfit.fit.objective import Objective
from dopantfit.fit.uncertainty import Uncertainty, draw
from dopantfit.fit.variables import Space
from dopantfit.potential import Potential
from dopantfit.statistics import chi_squared_quantile
from dopantfit.workflow.outputs import write_csv

FOLDER, INDEX = "ensemble", "ensemble.csv"
#: Files of its members, beside a fit.
MEMBERS = (f"{FOLDER}/minimum-*.toml", f"{FOLDER}/draw-*.toml")
#: A draw whose rise of the cost lies beyond this quantile is not what the data allow.
ALLOWED = 0.99
#: How many draws are tried per draw that is wanted.
TRIES = 10


@dataclass(frozen=True)
class Member:
    """One potential of the ensemble: a minimum of the multi-start search, or a draw from the covariance at the best."""

    name: str
    kind: Literal["minimum", "draw"]
    values: Floats
    cost: float


def make_ensemble(
    objective: Objective, minima: Sequence[Refined], found: Uncertainty, settings: EnsembleDraws, seed: int
) -> tuple[Member, ...]:
    """The minima, best first, then draws around the best one; fewer draws than wanted where the data forbid them."""
    space = objective.space
    members = [
        Member(f"minimum-{number:02d}", "minimum", space.values(one.point), one.cost)
        for number, one in enumerate(minima, 1)
    ]
    rng = np.random.default_rng([seed, 1])
    best = minima[0]
    limit = best.cost + 0.5 * found.reduced_chi2 * chi_squared_quantile(ALLOWED, len(best.point))
    drawn: list[Member] = []
    for point in draw(found, best.point, TRIES * settings.draws, rng):
        if len(drawn) == settings.draws:
            break
        candidate = objective.candidate(point)
        if candidate.rejection is None and candidate.cost <= limit:
            drawn.append(Member(f"draw-{len(drawn) + 1:02d}", "draw", candidate.values, candidate.cost))
    return (*members, *drawn)


def save_ensemble(members: Sequence[Member], space: Space, best: Potential, folder: Path) -> None:
    """Write every member as ``ensemble/<name>.toml`` and their values and costs as ``ensemble.csv``.

    best: gives the citation.
    """
    target = folder / FOLDER
    target.mkdir(exist_ok=True)
    for one in members:
        potential = space.potential(one.values)
        replace(potential, name=f"{best.name} {one.name}", citation=best.citation).save(target / f"{one.name}.toml")
    header = ("member", "kind", "cost", *(f"{v.name} ({v.unit})" for v in space.variables))
    write_csv(target / INDEX, header, ((one.name, one.kind, one.cost, *one.values) for one in members))
