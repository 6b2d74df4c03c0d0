"""How far a potential is from DFT, side by side for sets, compositions, species and the dopant's neighbourhood."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dopantfit.energy import ShellProblem, evaluate, species_table
from dopantfit.energy.arrays import Flags, Floats
from dopantfit.energy.neighbours import find_pairs
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.fit.data import Target
from dopantfit.potential import Potential
from dopantfit.units import EV_PER_A3_IN_GPA

#: The first shell of an ion: its neighbours of opposite charge closer than this many times the nearest of them. Bonds
#: of one polyhedron differ by less, and the next anions are 1.5 bonds away or more.
FIRST_SHELL = 1.35
#: How far neighbours are looked for [Å].
REACH = 6.0


@dataclass(frozen=True)
class FrameComparison:
    """One frame as DFT and a potential have it: energies [eV], forces (n_ions, 3) [eV/Å]; None where it collapsed.

    stress: (6,) [eV/Å³], None where it was not computed.
    """

    target: Target
    energy: float | None
    forces: Floats | None
    stress: Floats | None = None


def compare(potential: Potential, targets: Sequence[Target]) -> list[FrameComparison]:
    """Evaluate every frame; one in which shells collapse is kept, without numbers.

    Raises ConfigError for a potential that lacks a species or the charges of the frames.
    """
    found = []
    for target in targets:
        frame = target.frame
        missing = sorted(set(frame.labels) - set(potential.species))
        if missing:
            raise ConfigError(
                f"{potential.name} has no {', '.join(missing)}, which {target.name} holds; compare another"
            )
        try:
            result = evaluate(ShellProblem(frame, species_table(frame.labels, potential)))
            found.append(FrameComparison(target, result.energy, result.forces, result.stress))
        except (CollapseError, ConvergenceError):
            found.append(FrameComparison(target, None, None))
    return found


def surroundings(dopant: str) -> str:
    """What the errors on a dopant and the ions around it are called."""
    return f"{dopant} and its first shell"


def near_dopant(target: Target, dopant: str, charges: dict[str, float]) -> Flags:
    """The dopant's ions and their first shells, ``shape=(n_ions,)``. charges: of the species [e]."""
    labels = np.array(target.ion_labels)
    near: Flags = labels == dopant
    pairs = find_pairs(target.frame.positions, target.frame.cell, REACH)
    sign = np.array([np.sign(charges[label]) for label in labels])
    ions, distance = pairs.ions.astype(np.int64), pairs.distance.copy()
    centres = np.flatnonzero(near)
    for centre in centres:
        for end in (0, 1):
            rows = (ions[:, end] == centre) & (sign[ions[:, 1 - end]] == -sign[centre])
            other = (ions[:, 1 - end] == centre) & (sign[ions[:, end]] == -sign[centre])
            nearest = min(distance[rows].min(initial=np.inf), distance[other].min(initial=np.inf))
            shell = rows & (distance < FIRST_SHELL * nearest)
            near[ions[shell, 1 - end]] = True
    return near


def force_errors(
    comparisons: Sequence[FrameComparison], dopant: str | None, charges: dict[str, float]
) -> list[dict[str, Any]]:
    """RMS force errors [eV/Å] by group: everything, sets, compositions, families, species, the dopant's surroundings.

    Each entry: kind, name, components, rms_error, rms_reference.
    """
    selections: dict[tuple[str, str], list[tuple[Floats, Floats]]] = {}
    for one in comparisons:
        if one.forces is None:
            continue
        for key, chosen in _selections(one.target, dopant, charges):
            selections.setdefault(key, []).append((one.forces[chosen], one.target.forces[chosen]))
    return [_force_entry(key, parts) for key, parts in selections.items() if sum(len(p[0]) for p in parts)]


def _selections(
    target: Target, dopant: str | None, charges: dict[str, float]
) -> Iterator[tuple[tuple[str, str], Flags]]:
    labels = np.array(target.ion_labels)
    everything = np.ones(len(labels), dtype=bool)
    yield ("all", "all"), everything
    yield ("set", target.set), everything
    yield ("composition", target.composition), everything
    yield ("family", f"{target.set}/{target.family}"), everything
    for label in target.frame.labels:
        yield ("species", label), labels == label
    if dopant in target.frame.labels and dopant is not None:
        yield ("neighbourhood", surroundings(dopant)), near_dopant(target, dopant, charges)


def _force_entry(key: tuple[str, str], parts: list[tuple[Floats, Floats]]) -> dict[str, Any]:
    found = np.concatenate([part[0] for part in parts])
    reference = np.concatenate([part[1] for part in parts])
    return {
        "kind": key[0],
        "name": key[1],
        "components": int(found.size),
        "rms_error": float(np.sqrt(np.mean((found - reference) ** 2))),
        "rms_reference": float(np.sqrt(np.mean(reference**2))),
    }


def energy_errors(
    comparisons: Sequence[FrameComparison], training: Sequence[FrameComparison] = ()
) -> list[dict[str, Any]]:
    """RMS errors of energies within each set and composition, and of all of them together [eV/atom].

    The one free offset of a composition is the mean difference over its training frames, where there are any: a
    held-out energy is then a prediction. Otherwise it is the mean over the frames themselves, of which it takes two.
    """
    entries, all_found, all_reference = [], [], []
    for group in dict.fromkeys(one.target.group for one in comparisons):
        members, others = _energies(comparisons, group), _energies(training, group)
        offset = others if len(others) else members
        if len(members) < (1 if len(others) else 2):
            continue
        found, reference = (members - offset.mean(axis=0)).T
        entries.append(_energy_entry("composition", group, found, reference))
        all_found.append(found)
        all_reference.append(reference)
    if entries:
        entries.insert(0, _energy_entry("all", "all", np.concatenate(all_found), np.concatenate(all_reference)))
    return entries


def stress_errors(comparisons: Sequence[FrameComparison]) -> list[dict[str, Any]]:
    """RMS errors of the stresses that are fitted, all and by set and composition [GPa]; empty where none is."""
    selections: dict[tuple[str, str], list[tuple[Floats, Floats]]] = {}
    for one in comparisons:
        target = one.target
        if one.stress is None or target.stress is None or not target.stress_weight:
            continue
        for key in (("all", "all"), ("set", target.set), ("composition", target.composition)):
            selections.setdefault(key, []).append((EV_PER_A3_IN_GPA * one.stress, EV_PER_A3_IN_GPA * target.stress))
    return [_force_entry(key, parts) for key, parts in selections.items()]


def _energies(comparisons: Sequence[FrameComparison], group: str) -> Floats:
    """Energies of the potential and of DFT [eV/atom] in one group, ``shape=(n, 2)``."""
    chosen = [
        (one.energy / len(one.target.forces), one.target.energy / len(one.target.forces))
        for one in comparisons
        if one.target.group == group and one.energy is not None
    ]
    return np.array(chosen, dtype=np.float64).reshape(-1, 2)


def _energy_entry(kind: str, name: str, found: Floats, reference: Floats) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "frames": len(found),
        "rms_error": float(np.sqrt(np.mean((found - reference) ** 2))),
        "rms_reference": float(np.sqrt(np.mean(reference**2))),
    }


def error_tables(
    potential: Potential, targets: Sequence[Target], dopant: str | None
) -> tuple[dict[str, Any], list[FrameComparison]]:
    """Errors of one potential, for training and held-out frames apart, and the comparisons behind them."""
    charges = {label: ion.total_charge for label, ion in potential.species.items()}
    comparisons = compare(potential, targets)
    training = [one for one in comparisons if not one.target.held_out]
    tables: dict[str, Any] = {}
    for side, held_out in (("train", False), ("held_out", True)):
        chosen = [one for one in comparisons if one.target.held_out == held_out]
        if not chosen:
            continue
        tables[side] = {
            "forces": force_errors(chosen, dopant, charges),
            "energies": energy_errors(chosen, training if held_out else ()),
            "stresses": stress_errors(chosen),
            "collapsed": [one.target.name for one in chosen if one.forces is None],
        }
    return tables, comparisons
