"""Minimisation by limited-memory BFGS around a preconditioner: the one minimiser of the engine.

A preconditioner is an approximate Hessian that can be inverted cheaply. It decides how many evaluations a relaxation
takes, never where it ends, so an old one serves as long as it does well, for configurations nearby too.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np

from dopantfit.energy.arrays import Floats

#: A step with its change of the force, and the product of the two; what the recursion remembers.
Pair = tuple[Floats, Floats, float]


class EnergyAndForces(Protocol):
    """What an evaluation must find: energy [eV] and forces on the sites (n, 3) [eV/Å]."""

    @property
    def energy(self) -> float: ...  # noqa: D102

    @property
    def force(self) -> Floats: ...  # noqa: D102


E = TypeVar("E", bound=EnergyAndForces)


class Preconditioner(Protocol):
    """Something that turns forces on the sites into a good step.

    shifted: whether its Hessian had to be made positive definite, which may mean that a saddle is near.
    """

    @property
    def shifted(self) -> bool: ...  # noqa: D102

    def step(self, force: Floats) -> Floats:
        """Approximately H⁻¹ force [Å], both ``shape=(3 n,)``."""


@dataclass(frozen=True)
class MinimisationProgress:
    """Where a minimisation stands: energy [eV], expected further decrease [eV], largest force component [eV/Å]."""

    energy: float
    expected: float
    largest_force: float
    calls: int


@dataclass(frozen=True)
class MinimisationMethod:
    """How a minimisation proceeds, and when it ends.

    accepts: whether a step will do, from what was found before and after it and the decrease to first order [eV].
    longest_step: of a site [Å]. shortening: of a step that will not do; when ``shortenings`` steps were tried, the
    preconditioner is renewed, or the minimisation gives up. memory: steps that the recursion remembers. most_calls: of
    the function. force_tolerance: ends when no component of a force is larger [eV/Å]. energy_tolerance: ends when the
    expected further decrease is no larger [eV]; None not to ask. slow: the preconditioner is renewed after a step that
    reduces the largest force to no less than this part of what it was; None never.
    """

    accepts: Callable[[EnergyAndForces, EnergyAndForces, float], bool]
    longest_step: float
    shortening: float
    shortenings: int
    memory: int
    most_calls: int
    force_tolerance: float = 0.0
    energy_tolerance: float | None = None
    slow: float | None = None


@dataclass(frozen=True)
class Minimum(Generic[E]):
    """The end of a minimisation: sites (n, 3) [Å], what was found there, what it took, and why it ended.

    expected: further decrease [eV], NaN where it was not asked for. forbidden: the last sites that were not allowed.
    """

    sites: Floats
    found: E
    calls: int
    ended: Literal["converged", "stopped", "most calls", "no way down", "not finite"]
    expected: float = np.nan
    preconditioner: Preconditioner | None = None
    forbidden: Floats | None = None


def minimise(
    evaluate: Callable[[Floats], E],
    sites: Floats,
    method: MinimisationMethod,
    preconditioner: Preconditioner | None,
    renew: Callable[[Floats, E], Preconditioner] | None = None,
    stop: Callable[[MinimisationProgress], bool] | None = None,
    allowed: Callable[[Floats], bool] = lambda sites: True,
) -> Minimum[E]:
    """Moves the sites (n, 3) [Å] downhill until forces, or the expected further decrease, are small enough.

    The expected decrease is ½ f·d for the force f and the step d that is to be taken next: what is left if the energy
    were the quadratic form that the steps so far suggest. renew: makes the preconditioner where there is none. stop:
    asked before every step; True ends the minimisation there. allowed: sites where the function is not asked.
    """
    found, calls, history = evaluate(sites), 1, deque[Pair](maxlen=method.memory)
    expected, shrunk = np.nan, 1.0
    # "not <=" and not ">": a force that is no number is not small.
    while not (largest := _largest(found.force)) <= method.force_tolerance:
        if not np.isfinite(largest):
            return Minimum(sites, found, calls, "not finite", expected, preconditioner)
        if preconditioner is None and renew is not None:
            preconditioner = renew(sites, found)
            history.clear()
        direction = two_loop(found.force.ravel(), history, preconditioner).reshape(-1, 3)
        expected = 0.5 * float(np.vdot(found.force, direction))
        if method.energy_tolerance is not None and expected <= method.energy_tolerance:
            break
        if shrunk == 1.0 and stop is not None and stop(MinimisationProgress(found.energy, expected, largest, calls)):
            return Minimum(sites, found, calls, "stopped", expected, preconditioner)
        if calls >= method.most_calls:
            return Minimum(sites, found, calls, "most calls", expected, preconditioner)
        down = _downhill(evaluate, sites, found, shrunk * _limited(direction, method), method, calls, allowed)
        calls = down.calls
        if down.found is None:
            if renew is None or down.forbidden is not None:
                return Minimum(sites, found, calls, "no way down", expected, preconditioner, down.forbidden)
            preconditioner, shrunk = None, shrunk * method.shortening**method.shortenings
            continue
        change, step = (found.force - down.found.force).ravel(), down.step.ravel()
        if (product := float(step @ change)) > 0:
            history.append((step, change, product))
        sites, found, shrunk = sites + down.step, down.found, 1.0
        if method.slow is not None and _largest(found.force) > max(method.slow * largest, method.force_tolerance):
            preconditioner = None
    return Minimum(sites, found, calls, "converged", expected, preconditioner)


class _Down(NamedTuple, Generic[E]):
    """The step (n, 3) that was accepted and what it led to, or None; calls so far; the last forbidden sites, if any."""

    step: Floats
    found: E | None
    calls: int
    forbidden: Floats | None = None


def _downhill(
    evaluate: Callable[[Floats], E],
    sites: Floats,
    found: E,
    step: Floats,
    method: MinimisationMethod,
    calls: int,
    allowed: Callable[[Floats], bool],
) -> _Down[E]:
    """The step, shortened until it will do; none where it does not after so many times, or calls."""
    for _ in range(min(method.shortenings, method.most_calls - calls)):
        moved, calls = sites + step, calls + 1
        forbidden = None if allowed(moved) else moved
        if forbidden is None:
            after = evaluate(moved)
            if method.accepts(found, after, float(np.vdot(found.force, step))):
                return _Down(step, after, calls)
        step = step * method.shortening
    return _Down(step, None, calls, forbidden)


def two_loop(force: Floats, history: deque[Pair], preconditioner: Preconditioner | None) -> Floats:
    """The two-loop recursion of limited-memory BFGS around a preconditioner (Nocedal, Math. Comput. 35, 773 (1980))."""
    direction, factors = force.copy(), []
    for step, change, product in reversed(history):
        factors.append(float(step @ direction) / product)
        direction -= factors[-1] * change
    direction = direction if preconditioner is None else preconditioner.step(direction)
    for (step, change, product), factor in zip(history, reversed(factors), strict=True):
        direction += (factor - float(change @ direction) / product) * step
    return direction


def inverse_hessian(force: Callable[[Floats], Floats], sites: Floats, widths: Floats, softest: float) -> Floats:
    """Inverse of the Hessian by central differences of the force, over these widths [Å], ``shape=(n,)`` as the sites.

    Negative and soft curvatures are replaced by their size or ``softest`` [eV/Å²].
    """
    hessian = np.empty((len(widths), len(widths)))
    for number, width in enumerate(widths):
        shift = np.zeros(len(widths))
        shift[number] = width
        ends = [force(sites + sign * shift.reshape(sites.shape)).ravel() for sign in (-1.0, 1.0)]
        hessian[number] = (ends[0] - ends[1]) / (2 * width)
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    inverse: Floats = (vectors / np.maximum(np.abs(values), softest)) @ vectors.T
    return inverse


def _largest(force: Floats) -> float:
    return float(np.abs(force).max(initial=0.0))


def _limited(direction: Floats, method: MinimisationMethod) -> Floats:
    """The step (n, 3) along a direction, scaled down so that no site moves farther than it may."""
    step = direction.reshape(-1, 3)
    longest = float(np.linalg.norm(step, axis=1).max(initial=0.0))
    return step if longest <= method.longest_step else step * (method.longest_step / longest)
