"""The path of minimum energy of a hop, and what climbs along it: a chain of nudged elastic bands from rest to rest.

Both ends are the lowest states of rest that the ion finds from its sites. Between them it is dragged: held against the
rest of the crystal on its straight lines by the empty site, from there towards either end, while all others relax.
Nothing is drawn through an anion so, and polyanions and other ions that give way do so along with the ion. These images
start a band (improved tangents: Henkelman & Jónsson, J. Chem. Phys. 113, 9978 (2000)). Where it sags between two climbs
there is a state of rest between, and the band is parted there, until every part is one elementary step over one saddle.
Between images the energy is the cubic curve through energies and forces along the band.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixConstraint
from ase.mep import NEB
from ase.optimize import BFGS, FIRE
from ase.utils.forcecurve import fit_images

from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.structures import labels_of
from dopantfit.validate.migration import AT_REST, Floats, MakeCalculator, MigrationPath, converge
from dopantfit.workflow.progress import NOBODY, ProgressObserver, WorkProgress

#: Largest force across a band, and on what is relaxed only to start it [eV/Å]: 0.03 eV/Å over the 0.1 Å that a saddle
#: is off by are 3 meV.
BAND, _PREPARED = 0.03, 0.05
#: Positions of the dragged ion between the empty site and either end.
_DRAGGED = 3
#: Distance of images over all ions [Å], and how many a band has at least and at most.
_SPACING, _FEWEST, _MOST = 0.75, 3, 7
#: Random displacements [Å] of all ions, tried so often: what is symmetric stays on its ridge, where polyanions that
#: turn find a lower path beside it.
_RATTLE, _TRIED, SEED = 0.05, 3, 20220824
#: What a state of rest between two climbs lies below both [eV], k T at 600 K; a shallower one stays part of a step.
_SAG = 0.05
#: States are one when they are nearer than this over all ions [Å].
_SAME = 0.5
#: Steps of a band between looks at it, and in all; elementary steps of a path at most.
_LEG, _STEPS, _ELEMENTARY = 40, 480, 8
#: How often the step of a band is cut to a quarter where ions or shells fall into each other.
_CUTS = 3


@dataclass(frozen=True)
class Mechanism:
    """Who moves.

    ions: mobile ions that leave their place along the path. together: most of them in one elementary step. steps:
    number of elementary steps, each over one saddle. held: whether both sites hold the ion; where one of them does not,
    the path leads from the other to the empty site.
    """

    ions: int
    together: int
    steps: int
    held: bool = True

    def __str__(self) -> str:
        saddles = "one saddle" if self.steps == 1 else f"{self.steps} saddles"
        if not self.held:
            saddles += ", between one site and the empty one: the other holds no ion"
        if self.ions <= 1:
            return f"one ion, {saddles}"
        return f"{self.ions} ions, {self.together if self.together > 1 else 'one'} at a time, {saddles}"


@dataclass(frozen=True)
class MigrationBarrier:
    """A relaxed path.

    distances: of the images along the path over all ions [Å]; energies: over that of the first end [eV]; rests: indices
    of the images at rest, the ends included. curve: distances and energies between the images too, ``shape=(2, n)``.
    forward, backward: largest climb on the way from the first end and from the second one [eV], from any state of rest
    passed to any saddle after it, by that curve.
    """

    distances: Floats
    energies: Floats
    curve: Floats
    forward: float
    backward: float
    rests: tuple[int, ...]
    mechanism: Mechanism
    images: tuple[Atoms, ...] = ()

    @property
    def pass_energy(self) -> float:
        """Energy of the highest saddle [eV] on the calculator's scale: of paths of the same ions the lowest counts."""
        return _energy(self.images[0]) + float(self.curve[1].max())

    @property
    def highest(self) -> float:
        """The barrier between equivalent sites [eV]: what is a lower state of rest at one is one at the other too."""
        return max(self.forward, self.backward)


def find_barrier(
    path: MigrationPath,
    make: MakeCalculator,
    observer: ProgressObserver = NOBODY,
    begun: Sequence[Atoms] = (),
    seed: int = SEED,
) -> MigrationBarrier:
    """Relax the path of minimum energy of a hop, at the cell as it is.

    begun: images of the same hop to begin with, of another calculator in a cell of its own; found by dragging the ion
    where there are none. seed: of the random displacements.
    Raises ConvergenceError when a part of it does not come to rest, CollapseError where ions or shells fall into each
    other.
    """
    _tell(observer, 0, "relaxing the ends")
    if begun:
        ends = _at_rest(_in_cell(begun[0], path), make), _at_rest(_in_cell(begun[-1], path), make)
    else:
        ends = _end(path, 0.0, make, seed), _end(path, 1.0, make, seed)
    held = [_is_at(path, state, goal) for state, goal in zip(ends, (0.0, 1.0), strict=True)]
    if not any(held):
        raise ConvergenceError(
            "migration path: the ion rests at neither of the two sites, and goes back to the empty one: there is no hop"
        )
    if begun:
        between = [_in_cell(image, path) for image in begun[1:-1]]
    else:
        _tell(observer, 1, "dragging the ion")
        between = _dragged(path, held, make, seed)
    _tell(observer, 2, "relaxing the band")
    return _climbs(path, _elementary_steps([ends[0], *between, ends[1]], make))


def _tell(observer: ProgressObserver, done: int, doing: str) -> None:
    observer.show("migration path", WorkProgress(done, text=doing, of=3))


def _in_cell(image: Atoms, path: MigrationPath) -> Atoms:
    moved = image.copy()
    moved.set_cell(path.start.cell, scale_atoms=True)
    return moved


class _HeldAgainstTheRest(FixConstraint):  # type: ignore[misc]  # ASE has no types
    """One ion stays where it is, and the centre of all others too: held alone, the crystal would follow it."""

    def __init__(self, ion: int, count: int) -> None:
        self.ion, self.others = ion, np.arange(count) != ion

    def adjust_positions(self, atoms: Atoms, new: Floats) -> None:
        """Take the drift of the others out of a step."""
        new[self.others] -= (new - atoms.positions)[self.others].mean(axis=0)
        new[self.ion] = atoms.positions[self.ion]

    def adjust_forces(self, atoms: Atoms, forces: Floats) -> None:
        """Take what would move them out of the forces."""
        forces[self.others] -= forces[self.others].mean(axis=0)
        forces[self.ion] = 0.0

    def get_removed_dof(self, atoms: Atoms) -> int:
        """Three of the ion, three of the centre."""
        return 6


def _lowest(path: MigrationPath, part: float, relax: Callable[[Atoms], Atoms], seed: int) -> Atoms:
    """The lowest of several states with the ion on a part of its way; those that keep it there come first.

    Raises what the first try did where all fail, ConvergenceError or CollapseError.
    """
    rng = np.random.default_rng(seed)
    found: list[Atoms] = []
    problems: list[Exception] = []
    for _ in range(_TRIED):
        tried = path.at(part)
        tried.positions += rng.normal(0.0, _RATTLE, tried.positions.shape)
        try:
            found.append(relax(tried))
        except (CollapseError, ConvergenceError) as problem:
            problems.append(problem)
    if not found:
        raise problems[0]
    return min(found, key=lambda state: (not _is_at(path, state, part), _energy(state)))


def _end(path: MigrationPath, goal: float, make: MakeCalculator, seed: int) -> Atoms:
    return _lowest(path, goal, lambda tried: _at_rest(tried, make), seed)


def _dragged(path: MigrationPath, held: Sequence[bool], make: MakeCalculator, seed: int) -> list[Atoms]:
    """Images between the ends: the ion held on its way, all others nearly at rest.

    held: whether the first and the second site hold the ion; from one that does not, the path leads to the empty site.
    """
    middle = _lowest(path, 0.5, lambda tried: _held(tried, path, 0.5, make), seed)
    sides: list[list[Atoms]] = []
    for goal, holds in zip((0.0, 1.0), held, strict=True):
        side = [middle]
        for part in np.linspace(0.5, goal, _DRAGGED + 2)[1:-1] if holds else ():
            side.append(_held(side[-1].copy(), path, float(part), make))
        sides.append(side[1:])
    return [*sides[0][::-1], middle, *sides[1]]


def _held(atoms: Atoms, path: MigrationPath, part: float, make: MakeCalculator) -> Atoms:
    """Put the ion on a part of its way and relax all others; as far as they come, for it only starts a band."""
    atoms.positions[path.ion] = path.at(part).positions[path.ion]
    atoms.calc = make()
    atoms.set_constraint(_HeldAgainstTheRest(path.ion, len(atoms)))
    try:
        BFGS(atoms, logfile=None, maxstep=0.1).run(fmax=_PREPARED, steps=_STEPS)
    except ConfigError as problem:
        raise ConvergenceError(f"dragged ion: {problem}") from None
    atoms.set_constraint()
    return _kept(atoms)


def _is_at(path: MigrationPath, state: Atoms, part: float) -> bool:
    """Whether the ion is at a part of its way: off it by less than half of the way to the empty site."""
    everyone = _apart(path.start, state)
    off = everyone[path.ion] - everyone.mean(axis=0) - path.displacement(part)
    return bool(np.linalg.norm(off) < 0.5 * np.linalg.norm(path.via))


def _at_rest(atoms: Atoms, make: MakeCalculator) -> Atoms:
    relaxed = atoms.copy()
    relaxed.calc = make()
    converge(BFGS(relaxed, logfile=None, maxstep=0.1), AT_REST, "state of rest")
    return _kept(relaxed)


def _energy(atoms: Atoms) -> float:
    return float(atoms.get_potential_energy())


def _kept(atoms: Atoms) -> Atoms:
    """A copy with energy and forces; its calculator may serve others."""
    kept = atoms.copy()
    kept.calc = SinglePointCalculator(kept, energy=atoms.get_potential_energy(), forces=atoms.get_forces())
    return kept


def _elementary_steps(chain: Sequence[Atoms], make: MakeCalculator) -> list[list[Atoms]]:
    """Bands at rest from state to state of rest, that together lead from the first image to the last."""
    found: list[list[Atoms]] = []
    left = [list(chain)]
    while left:
        band = _spread(left.pop(), make)
        if len(found) + len(left) >= _ELEMENTARY:
            raise ConvergenceError(
                f"migration path: more than {_ELEMENTARY} elementary steps from site to site; no one barrier is that "
                "of the hop, look at the potential"
            )
        between = _relaxed_band(band, make)
        if between is None:
            found.append([_kept(image) for image in band])
        else:
            number, state = between
            left += [[state, *band[number + 1 :]], [*band[:number], state]]
    return found


def _spread(chain: Sequence[Atoms], make: MakeCalculator) -> list[Atoms]:
    """Images evenly spread along the straight lines of a chain, between its ends."""
    steps = [_apart(one, other) for one, other in pairwise(chain)]
    reached = np.concatenate([[0.0], np.cumsum([np.linalg.norm(step) for step in steps])])
    count = int(np.clip(np.ceil(reached[-1] / _SPACING), _FEWEST, _MOST)) // 2 * 2 + 1
    images = []
    for place in np.linspace(0.0, reached[-1], count + 2)[1:-1]:
        number = min(int(np.searchsorted(reached, place, side="right")) - 1, len(steps) - 1)
        image = chain[0].copy()
        part = (place - reached[number]) / (reached[number + 1] - reached[number])
        image.positions = chain[number].positions + part * steps[number]
        image.calc = make()
        images.append(image)
    return [chain[0], *images, chain[-1]]


def _relaxed_band(band: list[Atoms], make: MakeCalculator) -> tuple[int, Atoms] | None:
    """Relax a band in place; or say at which image it sags, and what state of rest there is.

    Raises ConvergenceError when it does not come to rest.
    """
    shared = len({id(image.calc) for image in band}) < len(band)
    nudged = NEB(band, k=1.0, method="improvedtangent", allow_shared_calculator=shared)
    longest, cuts, refused = 0.1, 0, 0
    for _ in range(_STEPS // _LEG):
        before = [image.positions.copy() for image in band]
        try:
            # Short steps: those of the full length take images over each other.
            ended = FIRE(nudged, logfile=None, maxstep=longest, dtmax=0.3).run(fmax=BAND, steps=_LEG)
        except (CollapseError, ConfigError) as problem:
            if cuts == _CUTS:
                raise ConvergenceError(f"band: {problem}") from None
            longest, cuts = longest / 4.0, cuts + 1
            for image, positions in zip(band, before, strict=True):
                image.positions = positions
            continue
        sag = _sag(band) if refused < 3 else None
        if sag is not None:
            state = _at_rest(band[sag], make)
            if min(np.linalg.norm(_apart(state, band[end])) for end in (0, -1)) > _SAME:
                return sag, state
            refused += 1
        if ended:
            return None
    raise ConvergenceError(
        f"migration path: the band did not come to rest within {_STEPS} steps (largest force above {BAND} eV/Å); the "
        "ion may have left the path, look at the potential"
    )


def _sag(band: Sequence[Atoms]) -> int | None:
    """The image between the ends that lies deepest below what is climbed on both sides of it; None above `_SAG`."""
    energies = np.array([image.get_potential_energy() for image in band])
    before, after = np.maximum.accumulate(energies), np.maximum.accumulate(energies[::-1])[::-1]
    depths = (np.minimum(before, after) - energies)[1:-1]
    deepest = int(np.argmax(depths)) + 1
    return deepest if depths[deepest - 1] > _SAG else None


def _apart(one: Atoms, other: Atoms) -> Floats:
    """How far ions went from one image to another [Å].

    Ions are followed on their way and never put back into the cell: from site to site may be half a cell, and their
    nearest images another way.
    """
    return np.asarray(other.positions - one.positions)


def _climbs(path: MigrationPath, steps: Sequence[Sequence[Atoms]]) -> MigrationBarrier:
    """Energies along a path, and the largest climb there and back."""
    first = _energy(steps[0][0])
    distances, energies, rests = [np.zeros(1)], [np.zeros(1)], [0]
    curve = []
    for band in steps:
        fitted, reached, shift = fit_images(band), distances[-1][-1], _energy(band[0]) - first
        curve.append(np.array([reached + np.asarray(fitted.fit_path), shift + np.asarray(fitted.fit_energies)]))
        distances.append(reached + np.asarray(fitted.path)[1:])
        energies.append(shift + np.asarray(fitted.energies)[1:])
        rests.append(rests[-1] + len(band) - 1)
    along = np.concatenate(curve, axis=1)
    return MigrationBarrier(
        np.concatenate(distances),
        np.concatenate(energies),
        along,
        _climb(along[1]),
        _climb(along[1, ::-1]),
        tuple(rests),
        _mechanism(path, steps),
        tuple([steps[0][0], *(image for band in steps for image in band[1:])]),
    )


def _climb(energies: Floats) -> float:
    return float((energies - np.minimum.accumulate(energies)).max())


def _mechanism(path: MigrationPath, steps: Sequence[Sequence[Atoms]]) -> Mechanism:
    """Count the mobile ions that go farther than half of the way to the empty site: so far they leave their place."""
    labels = labels_of(path.start)
    mobile = [index for index, label in enumerate(labels) if label == labels[path.ion]]
    left = 0.5 * float(np.linalg.norm(path.via))

    def gone(one: Atoms, others: Sequence[Atoms]) -> "np.typing.NDArray[np.bool_]":
        lengths = [np.linalg.norm(_apart(one, other)[mobile], axis=1) for other in others]
        return np.asarray(np.max(lengths, axis=0) > left)

    everyone = gone(steps[0][0], [image for band in steps for image in band])
    together = max(int(gone(band[0], band[-1:]).sum()) for band in steps)
    held = _is_at(path, steps[0][0], 0.0) and _is_at(path, steps[-1][-1], 1.0)
    return Mechanism(int(everyone.sum()), together, len(steps), held)
