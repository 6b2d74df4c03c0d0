"""Is a frame what it claims to be? Charges, distances, forces, energies; by itself and among its peers."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.geometry import minkowski_reduce
from vesin import NeighborList

from dopantfit.reference.chemistry import SHORTEST, SHORTEST_ANY, VALENCE_ENERGY, kind_of_pair, oxidation_range
from dopantfit.reference.frames import calculated, composition_of
from dopantfit.units import BOHR, HARTREE

Key = TypeVar("Key")

#: How far neighbours are looked for [Å]: beyond the longest bond read 1.89 times too long (Bohr as Å).
NEIGHBOUR_CUTOFF = 4.5
#: Median over ions of (shortest distance / sum of covalent radii): 0.85–1.05 in oxides and halides, hot or
#: strained by ±10 %; 1.6–2.0 when Bohr were read as Å, 0.45–0.55 the other way round.
BOND_RATIO = (0.62, 1.35)
#: Net force per ion [eV/Å]: an integration grid leaves up to 0.03, forces that are missing or mixed up more.
NET_FORCE_WARNING, NET_FORCE_ERROR = 0.01, 0.05
#: Net force of a whole cell [eV/Å] that rounding leaves where symmetry allows none.
NET_FORCE_OF_SYMMETRY = 0.01
#: RMS force component [eV/Å]: smaller only where symmetry demands zero, larger only where ions overlap.
FORCE_RANGE = (1e-4, 20.0)
#: Largest stress component [eV/Å³]; 0.3 is 48 GPa. 1 kbar or GPa read as eV/Å³ lies far above.
STRESS_LIMIT = 0.3
#: Energies of frames of one composition differ by less than this [eV/atom] unless they are not comparable.
ENERGY_SPREAD = 0.5
#: Volumes per ion of frames of one composition differ by less than this factor: lengths scaled by 0.8 to 1.2 give 3.4
#: between the extremes, 2 from the median; Bohr read as Å 6.7.
VOLUME_SPREAD = 3.0
#: Departure from the linear model of compositions [eV/atom]; energies of formation stay below it.
LINEAR_MODEL_SPREAD = 2.0
#: Below this part of the others, a direction of composition space is rounding: fractions are ratios of whole numbers.
INDEPENDENT = 1e-6
#: Energy [eV/atom] of codes whose zero is the free atom (VASP): cohesion, 2–9 in any solid.
COHESIVE_RANGE = (0.3, 15.0)
#: Part of the valence energy of the non-metals that a total energy must reach at least.
VALENCE_PART = 0.9
#: Robust z-score of an outlier, with the least departure that counts: force [eV/Å] and energy [eV/atom].
OUTLIER_SCORE, OUTLIER_FORCE, OUTLIER_ENERGY = 5.0, 0.3, 0.02
#: Steps of one family whose energy change is set against its forces: farthest move [Å], tolerance [eV].
STEP_LIMIT, STEP_ENERGY = 0.3, 0.05
#: Ratio of volumes → the mistake that it tells of.
_CELL_UNITS = ((BOHR**-3, ": a cell in Bohr read as Å?"), (BOHR**3, ": a cell in Å read as Bohr?"))


@dataclass(frozen=True)
class Finding:
    """Something about a frame (or, without ``frame_id``, the set) that a person should know."""

    severity: Literal["error", "warning"]
    kind: str
    frame_id: str | None
    message: str


@dataclass(frozen=True)
class Shortest:
    """The shortest distance in a frame [Å] and between which elements."""

    distance: float
    pair: str


def charge_findings(
    frames: Sequence[Atoms], charges: Mapping[str, int] | None = None, charged: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield what speaks against the charges of frames: an error where others of the family are neutral, else a warning.

    charges: label or element → formal charge [e], where a potential says so; else as `oxidation_range`. charged:
    families that are meant to hold charged cells.
    """
    found = {id(frame): tuple(_charge_findings(frame, charges)) for frame in frames}
    neutral = Counter(str(frame.info.get("family")) for frame in frames if not found[id(frame)])
    for frame in frames:
        family = str(frame.info.get("family"))
        for one in found[id(frame)]:
            if one.message.startswith(_NOT_NEUTRAL) and neutral[family] and family not in charged:
                others = f"{neutral[family]} others of family {family} are neutral (charged_families in the manifest)"
                yield _error(frame, "charge", f"{one.message.partition(';')[0]}; {others}")
            else:
                yield one


_NOT_NEUTRAL = "formal charges add to"


def _charge_findings(atoms: Atoms, charges: Mapping[str, int] | None) -> Iterator[Finding]:
    """Yield a warning if no usual oxidation states make the cell neutral, and one for an unknown element."""
    symbols = atoms.get_chemical_symbols()
    if len(set(symbols)) == 1 and not charges:
        return  # An element by itself is not ionic.
    labels = [str(label) for label in atoms.arrays.get("species", symbols)]
    given = {label: (q, q) for label, q in (charges or {}).items()}
    ions = [
        given.get(label) or given.get(symbol) or oxidation_range(symbol)
        for label, symbol in zip(labels, symbols, strict=True)
    ]
    unknown = sorted({label for label, ion in zip(labels, ions, strict=True) if ion is None})
    if unknown:
        yield _warning(atoms, "charge", f"no formal charge is known for {', '.join(unknown)}; not checked")
        return
    low, high = (sum(ion[k] for ion in ions if ion) for k in (0, 1))
    if not low <= 0 <= high:
        total = f"{low:+d} e" if low == high else f"{low:+d} to {high:+d} e"
        what = f"{_NOT_NEUTRAL} {total}: an ion is missing or one too many, or the cell is charged"
        yield _warning(atoms, "charge", f"{what}; a fit takes it with a uniform background")


def distance_findings(atoms: Atoms) -> tuple[Shortest, list[Finding]]:
    """Return the shortest distance, and errors for pairs too close or a cell of the wrong scale."""
    neighbours = NeighborList(cutoff=NEIGHBOUR_CUTOFF, full_list=True, n_threads=1)
    # Of a skewed cell the search would look at as many images as its vectors are long.
    reduced, _ = minkowski_reduce(atoms.cell.array)
    i, j, d = neighbours.compute(atoms.positions, reduced, True, "ijd")
    if len(d) == 0:
        return Shortest(math.inf, "-"), [
            _error(atoms, "scale", f"no ion has a neighbour within {NEIGHBOUR_CUTOFF} Å; is the cell in Å?")
        ]
    best = int(np.argmin(d))
    nearest = sorted(atoms.symbols[[i[best], j[best]]])
    findings = [*_too_close(atoms, i, j, d), *_wrong_scale(atoms, i, j, d)]
    return Shortest(float(d[best]), "-".join(nearest)), findings


def _too_close(
    atoms: Atoms, i: npt.NDArray[np.int64], j: npt.NDArray[np.int64], d: npt.NDArray[np.float64]
) -> Iterator[Finding]:
    """Yield one error per pair of elements that comes closer than `SHORTEST` allows."""
    near = d < max(SHORTEST.values())
    pairs = np.sort(atoms.numbers[np.stack([i[near], j[near]], axis=1)], axis=1)
    kinds, of_kind = np.unique(pairs, axis=0, return_inverse=True)
    for k, numbers in enumerate(kinds):
        a, b = sorted(chemical_symbols[number] for number in numbers)
        kind = kind_of_pair(a, b)
        limit = SHORTEST_ANY if kind is None else SHORTEST[kind]
        distance = float(d[near][of_kind.ravel() == k].min())
        if distance < limit:
            yield _error(atoms, "distance", f"{a}–{b} {distance:.2f} Å, closer than {limit} Å ever is")


def _wrong_scale(
    atoms: Atoms, i: npt.NDArray[np.int64], j: npt.NDArray[np.int64], d: npt.NDArray[np.float64]
) -> Iterator[Finding]:
    nearest = np.full(len(atoms), np.inf)
    np.minimum.at(nearest, i, d / (covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]]))
    ratio = float(np.median(nearest))
    if ratio > BOND_RATIO[1]:
        yield _error(atoms, "scale", f"bonds are {ratio:.2f} times those expected: Bohr read as Å (1.89)?")
    if ratio < BOND_RATIO[0]:
        yield _error(atoms, "scale", f"bonds are {ratio:.2f} times those expected: Å read as Bohr (0.53)?")


def force_findings(atoms: Atoms) -> Iterator[Finding]:
    """Yield what is wrong with the forces and the stress of one frame by themselves."""
    forces = calculated(atoms)["forces"]
    net, rms = net_force(atoms), force_rms(atoms)
    if net > NET_FORCE_ERROR:
        yield _error(atoms, "net force", f"forces add to {net:.3f} eV/Å per ion; are some missing?")
    elif net > NET_FORCE_WARNING:
        yield _warning(atoms, "net force", f"forces add to {net:.3f} eV/Å per ion (integration grid)")
    if rms > FORCE_RANGE[1]:
        yield _error(atoms, "force", f"forces are {rms:.3g} eV/Å rms; wrong unit, or ions on top of each other")
    if rms < FORCE_RANGE[0]:
        yield _warning(atoms, "force", f"forces are {rms:.1e} eV/Å rms: right only if symmetry makes them zero")
    held = int((np.abs(forces).sum(axis=1) == 0).sum())
    if held and rms >= FORCE_RANGE[0]:
        # What symmetry takes from an ion's force it takes from the net force too.
        if net * len(atoms) > NET_FORCE_OF_SYMMETRY:
            text = f"{held} ions have forces of exactly zero, those of the others do not add to zero: held fixed?"
            yield _error(atoms, "force", text)
        else:
            yield _warning(atoms, "force", f"{held} ions have forces of exactly zero: by symmetry, or held fixed?")
    stress = float(np.abs(calculated(atoms).get("stress", 0.0)).max())
    if stress > STRESS_LIMIT:
        yield _error(atoms, "stress", f"stress reaches {stress:.3g} eV/Å³ ({stress * 160:.0f} GPa); wrong unit?")


def energy_floor_findings(atoms: Atoms, code: str) -> Iterator[Finding]:
    """Yield an error when the energy cannot be this cell's total (from VASP: cohesive) energy in eV."""
    energy = float(calculated(atoms)["energy"])
    per_atom = energy / len(atoms)
    floor = VALENCE_PART * sum(VALENCE_ENERGY.get(symbol, 0.0) for symbol in atoms.get_chemical_symbols())
    is_total = energy <= floor and energy < 0
    is_cohesive = COHESIVE_RANGE[0] < -per_atom < COHESIVE_RANGE[1]
    if "vasp" in code.lower():
        if not is_cohesive:
            low, high = COHESIVE_RANGE
            yield _error(atoms, "energy", f"{per_atom:.3f} eV/atom; VASP gives -{high} to -{low} eV/atom")
    elif not is_total and (code.lower() in _TOTAL_ENERGY_CODES or not is_cohesive):
        # Metals lower the true energy to at most a few times the floor, so a wrong unit shows as that.
        in_hartree = 1 <= energy * HARTREE / floor < 6 if floor else False
        reason = "Hartree or Rydberg read as eV?" if in_hartree else "of a smaller cell, or not in eV?"
        valence = f"the {floor / len(atoms):.1f} of the non-metals' valence alone"
        yield _error(atoms, "energy", f"{per_atom:.3f} eV/atom is above {valence}: {reason}")


_TOTAL_ENERGY_CODES = frozenset({"cp2k", "castep", "quantum espresso", "espresso", "pw.x"})


def volume_findings(frames: Sequence[Atoms]) -> Iterator[Finding]:
    """Yield errors for cells with a volume per ion that its peers of the same reduced formula have nothing of.

    A frame without such peers is held against all others, and then it is a warning.
    """
    volumes = {id(frame): frame.cell.volume / len(frame) for frame in frames}
    groups = list(_groups(frames, _reduced).values())
    alone = [members[0] for members in groups if len(members) == 1]
    for members in [members for members in groups if len(members) > 1]:
        yield from _volumes_apart(members, members, volumes, _error)
    if alone and len(frames) > 1:
        yield from _volumes_apart(alone, frames, volumes, _warning)


def _volumes_apart(
    members: Sequence[Atoms], peers: Sequence[Atoms], volumes: Mapping[int, float], finding: Callable[..., Finding]
) -> Iterator[Finding]:
    others = medians_of_others([volumes[id(peer)] for peer in peers])
    median = dict(zip(map(id, peers), others.tolist(), strict=True))
    for frame in members:
        ratio = volumes[id(frame)] / median[id(frame)]
        if not 1 / VOLUME_SPREAD < ratio < VOLUME_SPREAD:
            guess = next((words for factor, words in _CELL_UNITS if math.isclose(ratio, factor, rel_tol=0.5)), "")
            text = f"{volumes[id(frame)]:.3g} Å³ per ion among others at {median[id(frame)]:.3g}{guess}"
            yield finding(frame, "volume", text)


def medians_of_others(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return for each of two or more values the median of the others, in the time that sorting takes."""
    order = np.argsort(values)
    ordered = np.asarray(values, dtype=float)[order]
    rank = np.empty(len(ordered), dtype=int)
    rank[order] = np.arange(len(ordered))
    left = len(ordered) - 1
    low, high = ((left - 1) // 2, left // 2)
    # Without the value of a rank, those from that rank on move down by one.
    result: npt.NDArray[np.float64] = (ordered[low + (rank <= low)] + ordered[high + (rank <= high)]) / 2
    return result


def peer_energy_findings(frames: Sequence[Atoms]) -> Iterator[Finding]:
    """Yield errors for energies per atom that cannot belong with their peers' of the same reduced formula."""
    for members in _groups(frames, _reduced).values():
        energies = np.array([energy_per_atom(frame) for frame in members])
        median = float(np.median(energies))
        for frame, energy in zip(members, energies, strict=True):
            if abs(energy - median) > ENERGY_SPREAD:
                what = _ratio_in_words(energy / median if median else math.inf)
                text = f"{energy:.3f} eV/atom among frames of this composition at {median:.3f}{what}"
                yield _error(frame, "energy", text)


def _ratio_in_words(ratio: float) -> str:
    """Return a guess at the mistake that makes an energy wrong by a factor."""
    if math.isclose(ratio, 1 / HARTREE, rel_tol=0.02):
        return ": Hartree read as eV"
    if math.isclose(ratio, 2 / HARTREE, rel_tol=0.02):
        return ": Rydberg read as eV"
    for k in range(2, 13):
        if math.isclose(ratio, 1 / k, rel_tol=0.01):
            return f": the energy of a cell {k} times smaller (a primitive cell?)"
        if math.isclose(ratio, k, rel_tol=0.01):
            return f": the energy of a cell {k} times larger"
    return ""


def linear_model_findings(frames: Sequence[Atoms]) -> Iterator[Finding]:
    """Yield warnings for compositions whose energy the other compositions contradict.

    E/N is linear in the atomic fractions within the energies of formation; each composition is predicted from
    the others where they determine it (least squares), and not judged where they do not. Leaving one out of a fit is
    (ŷ − h y)/(1 − h) with its leverage h, which is 1 where the others say nothing of it (Cook and Weisberg, 1982).
    """
    groups = _groups(frames, _reduced)
    elements = sorted({symbol for frame in frames for symbol in set(frame.symbols)})
    names = list(groups)
    if not names:
        return
    first = [groups[name][0].get_chemical_symbols() for name in names]
    fractions = np.array([[symbols.count(e) / len(symbols) for e in elements] for symbols in first])
    energies = np.array([np.median([energy_per_atom(f) for f in groups[name]]) for name in names])
    left, sizes, _ = np.linalg.svd(fractions, full_matrices=False)
    left = left[:, sizes > sizes[0] * INDEPENDENT]
    leverage = np.sum(left**2, axis=1)
    determined = 1.0 - leverage > INDEPENDENT
    fitted = left @ (left.T @ energies)
    predicted = (fitted - leverage * energies)[determined] / (1.0 - leverage[determined])
    for k, expected in zip(np.flatnonzero(determined), predicted, strict=True):
        if abs(expected - energies[k]) > LINEAR_MODEL_SPREAD:
            text = f"{names[k]}: {energies[k]:.3f} eV/atom where the other compositions give {expected:.3f}"
            yield Finding("warning", "energy", None, text)


def step_findings(frames: Sequence[Atoms]) -> Iterator[Finding]:
    """Yield errors where the energy change between successive frames of a family is not their forces' work.

    ΔE = −½ (F₁ + F₂)·Δx to third order in Δx; a unit of energy or force that is wrong shows as a factor.
    """
    for members in _groups(frames, lambda frame: (frame.info["family"], frame.numbers.tobytes())).values():
        for one, other in pairwise(members):
            moved = _move(one, other)
            if moved is None:
                continue
            change = float(calculated(other)["energy"]) - float(calculated(one)["energy"])
            works = [-float((calculated(frame)["forces"] * moved).sum()) for frame in (one, other)]
            work = sum(works) / 2
            # Half of the larger work leaves room for what is anharmonic, and none for a wrong unit.
            if abs(change - work) > max(STEP_ENERGY, 0.5 * max(abs(w) for w in works)):
                text = f"energy changes by {change:.3f} eV from {_name(one.info)}, its forces say {work:.3f}"
                yield _error(other, "energy and force", text + _unit_in_words(change, work))


def _move(one: Atoms, other: Atoms) -> npt.NDArray[np.float64] | None:
    """Return the displacements [Å] between two frames; None where they are large or the cells differ."""
    if not np.allclose(one.cell.array, other.cell.array, atol=1e-6, rtol=0):
        return None
    scaled = np.linalg.solve(one.cell.array.T, (other.positions - one.positions).T).T
    moved: npt.NDArray[np.float64] = (scaled - np.rint(scaled)) @ one.cell.array
    return moved if np.linalg.norm(moved, axis=1).max() <= STEP_LIMIT else None


def _unit_in_words(change: float, work: float) -> str:
    ratio = abs(work / change) if change else math.inf
    for factor, words in (
        (HARTREE / BOHR, "forces converted from Hartree/Bohr twice"),
        (BOHR / HARTREE, "forces in Hartree/Bohr read as eV/Å"),
        (HARTREE, "energies in Hartree read as eV"),
    ):
        if math.isclose(ratio, factor, rel_tol=0.2):
            return f": {words}"
    return ""


def outlier_findings(frames: Sequence[Atoms]) -> Iterator[Finding]:
    """Yield warnings for frames far from the median of their composition by robust z-score (five or more)."""
    for members in _groups(frames, composition_of).values():
        if len(members) < 5:
            continue
        for what, of, least, unit in (
            ("force", force_rms, OUTLIER_FORCE, "eV/Å rms"),
            ("energy", energy_per_atom, OUTLIER_ENERGY, "eV/atom"),
        ):
            values = np.array([of(frame) for frame in members])
            median = float(np.median(values))
            # 1.4826 × the median absolute deviation is σ for normal data.
            spread = 1.4826 * float(np.median(np.abs(values - median)))
            for frame, value in zip(members, values, strict=True):
                if abs(value - median) > max(OUTLIER_SCORE * spread, least):
                    yield _warning(frame, "outlier", f"{what} {value:.4f} {unit}; median {median:.4f}")


def energy_per_atom(atoms: Atoms) -> float:
    """Return the energy per ion [eV]."""
    return float(calculated(atoms)["energy"]) / len(atoms)


def force_rms(atoms: Atoms) -> float:
    """Return the RMS force component [eV/Å]."""
    return float(np.sqrt(np.mean(np.square(calculated(atoms)["forces"]))))


def net_force(atoms: Atoms) -> float:
    """Return the length of the sum of the forces per ion [eV/Å]."""
    return float(np.linalg.norm(np.sum(calculated(atoms)["forces"], axis=0))) / len(atoms)


def _reduced(atoms: Atoms) -> str:
    numbers, counts = np.unique(atoms.numbers, return_counts=True)
    ions = zip((chemical_symbols[number] for number in numbers), counts // np.gcd.reduce(counts), strict=True)
    return "".join(f"{element}{count}" for element, count in sorted(ions))


def _groups(frames: Sequence[Atoms], key: Callable[[Atoms], Key]) -> dict[Key, list[Atoms]]:
    groups: dict[Key, list[Atoms]] = defaultdict(list)
    for frame in frames:
        groups[key(frame)].append(frame)
    return groups


def _error(atoms: Atoms, kind: str, message: str) -> Finding:
    return Finding("error", kind, _name(atoms.info), message)


def _warning(atoms: Atoms, kind: str, message: str) -> Finding:
    return Finding("warning", kind, _name(atoms.info), message)


def _name(info: Mapping[str, Any]) -> str:
    return str(info.get("frame_id", "?"))
