"""The configurations of a plan: everything that can be made from what has been computed so far.

`configurations` is a function of the plan and of the finished frames. What departs from the end of a
relaxation, and the next step of that relaxation, appear once the frames before them are there.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ase import Atoms

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.cp2k import Mesh
from dopantfit.reference.cuts import cut_boundary
from dopantfit.reference.environments import exchanged_pairs, in_channel, with_exchange
from dopantfit.reference.frames import composition_of, dump_frames, read_frames
from dopantfit.reference.glass import sound_glass
from dopantfit.reference.plan import (
    BoundaryCuts,
    Built,
    CationExchange,
    Channel,
    Departing,
    Glass,
    Item,
    MolecularDynamics,
    Plan,
    Recompute,
    Relaxation,
)
from dopantfit.reference.relaxation import largest_force, next_positions
from dopantfit.reference.seam import healed_cuts
from dopantfit.reference.similarity import near_pairs
from dopantfit.reference.variants import crystal_start, strained, variants
from dopantfit.reference.written_job import ENDED
from dopantfit.structures.cells import supercell
from dopantfit.structures.hosts import load_host
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.progress import NOBODY, ProgressObserver
from dopantfit.workflow.provenance import write_text_atomic

Array = npt.NDArray[np.float64]

#: A finished frame is that of a configuration when no ion and no cell vector differs by more [Å].
SAME = 1e-6


@dataclass(frozen=True)
class Configuration:
    """One configuration to compute; ``atoms.info`` is what its frame will carry.

    k_mesh: of this configuration. collect: whether the frame joins the set.
    """

    frame_id: str
    atoms: Atoms
    k_mesh: Mesh
    collect: bool


@dataclass(frozen=True)
class Generated:
    """The configurations that can be made now, and one line for each item that waits for another."""

    configurations: tuple[Configuration, ...]
    waiting: tuple[str, ...]


class _NotYet(Exception):
    """The item departs from something that has not been computed."""


def configurations(
    plan: Plan,
    folder: Path,
    results: Mapping[str, Atoms],
    work: Path,
    only: tuple[str, ...] = (),
    observer: ProgressObserver = NOBODY,
) -> Generated:
    """Return the configurations of ``plan`` that can be made now, in its order.

    folder: of the set; files that the plan names are relative to it.
    results: finished frames by frame_id, with forces [eV/Å] in their calculators.
    work: folder for what making them leaves behind (molecular dynamics runs).
    only: names of items; all when empty. observer: is told of every run with a potential, which takes its time.
    Raises ConfigError for what the plan gets wrong, ReferenceDataError when a finished frame of the same
    frame_id has another geometry.
    """
    made: list[Configuration] = []
    waiting: list[str] = []
    for item in plan.items(only):
        source = _Source(plan, folder, results, work, observer)
        try:
            frames = source.frames(item)
        except _NotYet as reason:
            waiting.append(f"{item.name}: waits for {reason}")
            continue
        for atoms in frames:
            name = str(atoms.info["frame_id"])
            if not isinstance(item, MolecularDynamics | Channel | Built):
                _check_same(atoms, results.get(name), folder)
            collect = item.collect if isinstance(item, Recompute) else name not in source.between
            made.append(Configuration(name, atoms, item.k_mesh or plan.k_mesh, collect))
    return Generated(tuple(made), tuple(waiting))


def write_configurations(made: Sequence[Configuration], work: Path) -> list[Path]:
    """Write each configuration to ``work/configurations/<frame_id>.extxyz``; return the paths."""
    folder = make_folder(work / "configurations")
    cells = {folder / f"{one.frame_id}.extxyz": one.atoms.copy() for one in made}
    for path, atoms in cells.items():
        write_text_atomic(path, dump_frames([atoms]))
    return list(cells)


def near_duplicates(frames: Sequence[Atoms], min_distance: float) -> list[tuple[str, str, float]]:
    """Return the pairs of frame_ids nearer than ``min_distance`` [Å] (`rms_displacement`), with distance."""
    names = [str(frame.info["frame_id"]) for frame in frames]
    return [(names[i], names[j], distance) for i, j, distance in near_pairs(frames, min_distance)]


@dataclass(frozen=True)
class _Source:
    """What configurations are made from. between: frames that lead to others and do not join the set."""

    plan: Plan
    folder: Path
    results: Mapping[str, Atoms]
    work: Path
    observer: ProgressObserver
    between: set[str] = field(default_factory=set)

    def frames(self, item: Item) -> list[Atoms]:
        """Return the configurations of an item that can be made now."""
        rng = np.random.default_rng(item.seed)
        if isinstance(item, Glass):
            return self.glass(item)
        if isinstance(item, BoundaryCuts):
            return self.cuts(item, rng)
        start, what = self.start(item, rng)
        family = item.family or str(start.info.get("family", item.name))
        if isinstance(item, Relaxation):
            return self.relaxation(item, start, what, family)
        if isinstance(item, CationExchange):
            return self.exchange(item, start, what, family, rng)
        if isinstance(item, MolecularDynamics):
            made = [(atoms, text, item.temperature) for atoms, text in self.dynamics(item, start, what)]
        elif isinstance(item, Channel):
            made = [(atoms, text, item.temperature) for atoms, text in self.channel(item, start, what, rng)]
        else:
            made = [(atoms, text, 0.0) for atoms, text in variants(item, start, what, rng)]
        number = "{}" if isinstance(item, Recompute) else "{}-{:02d}"
        return [
            _labelled(atoms, number.format(item.name, k), family, text, temperature, start)
            for k, (atoms, text, temperature) in enumerate(made)
        ]

    def start(self, item: Departing, rng: np.random.Generator) -> tuple[Atoms, str]:
        """Return where an item departs from, and in words."""
        start = item.start
        if start.frame is not None:
            return self.result(start.frame), f"frame {start.frame}"
        if start.end_of is None:
            atoms, what = crystal_start(item, self.folder, rng)
        else:
            atoms, what = self.end_of(start.end_of), f"the end of {start.end_of}"
            if start.repeat != (1, 1, 1):
                atoms = supercell(atoms, start.repeat)
        result = strained(atoms, start.strain)
        result.info["strain"] = (1.0 + float(atoms.info.get("strain", 0.0))) * (1.0 + start.strain) - 1.0
        return result, what + (f", strain {start.strain!r}" if start.strain else "")

    def result(self, frame_id: str) -> Atoms:
        if frame_id not in self.results:
            raise _NotYet(f"frame {frame_id}")
        return self.results[frame_id]

    def end_of(self, name: str) -> Atoms:
        """Return the last frame of a finished relaxation."""
        item = self.plan.item(name)
        steps = self.frames(item)
        last = str(steps[-1].info["frame_id"])
        if last not in self.results:
            raise _NotYet(f"relaxation {name}, at step {len(steps) - 1} of {getattr(item, 'steps', 0)}")
        return self.results[last]

    def relaxation(self, item: Relaxation, start: Atoms, what: str, family: str) -> list[Atoms]:
        """Return the steps computed so far and the next one, if there is a next."""
        first = _labelled(start, f"{item.name}-000", family, f"step 0 of a relaxation from {what}", 0.0, start)
        steps = [first]
        chain: list[Atoms] = []
        while (done := self.results.get(str(steps[-1].info["frame_id"]))) is not None:
            chain.append(done)
            if len(steps) > item.steps or done.info.get(ENDED) or largest_force(done) <= item.force_tolerance:
                return steps
            number = self.next_step(item.name, int(str(steps[-1].info["frame_id"]).rpartition("-")[2]))
            following = self.results.get(f"{item.name}-{number:03d}")
            atoms = first.copy() if following is None else following.copy()
            if following is None:
                atoms.positions = next_positions(chain)
            text = f"step {number} of a fixed-cell relaxation from {what}"
            steps.append(_labelled(atoms, f"{item.name}-{number:03d}", family, text, 0.0, start))
        return steps

    def next_step(self, name: str, number: int) -> int:
        """Return the number of the step behind one that is done: the next, or that which ended the run elsewhere."""
        if f"{name}-{number + 1:03d}" in self.results:
            return number + 1
        ended = [frame_id for frame_id, frame in self.results.items() if frame.info.get(ENDED)]
        parts = [frame_id.rpartition("-") for frame_id in ended]
        return max((int(at) for stem, _, at in parts if stem == name and at.isdigit()), default=number + 1)

    def exchange(
        self, item: CationExchange, start: Atoms, what: str, family: str, rng: np.random.Generator
    ) -> list[Atoms]:
        """Return the relaxations of the start and of every exchange, as far as they are."""
        cells = [("start", start, what)]
        for partner in item.partners:
            for k, (i, j) in enumerate(exchanged_pairs(start, item.dopant, partner, item.pairs, rng)):
                said = f"{what}, {item.dopant} {i} and {partner} {j} exchanged"
                cells.append((f"{partner}{k}", with_exchange(start, i, j), said))
        frames = []
        for label, atoms, said in cells:
            relaxation = Relaxation(
                kind="relaxation",
                name=f"{item.name}-{label}",
                start=item.start,
                steps=item.steps,
                force_tolerance=item.force_tolerance,
            )
            steps = self.relaxation(relaxation, atoms, said, family)
            names = [str(step.info["frame_id"]) for step in steps]
            self.between.update(names[1:-1] if names[-1] in self.results else names[1:])
            frames += steps
        return frames

    def channel(self, item: Channel, start: Atoms, what: str, rng: np.random.Generator) -> Iterator[tuple[Atoms, str]]:
        """Yield the end of a short run from each choice of places."""
        for k in range(item.configurations):
            atoms = in_channel(start, item.dopant, item.formal_charge, item.mobile, item.mobile_charge, rng)
            run = MolecularDynamics(
                kind="md",
                name=f"{item.name}-{k:02d}",
                start=item.start,
                potential=item.potential,
                temperature=item.temperature,
                duration=item.duration,
                snapshots=1,
                seed=item.seed + k + 1,  # LAMMPS takes none below 1
            )
            said = f"{what}, {item.dopant} on a place of {item.mobile} (choice {k})"
            yield from self.dynamics(run, atoms, said)

    def glass(self, item: Glass) -> list[Atoms]:
        """Return the configurations of a glass, which is melted and quenched once and kept in the work folder."""
        host = load_host(item.host, self.folder)
        kept = self.work / "md" / f"{item.name}-{_short_hash(item.model_dump_json())}" / "glass.extxyz"
        if not kept.is_file():
            self.observer.say(f"{item.name}: a glass of {item.units} {host.polyanion.formula} is melted and cooled")
            drawn, frames = sound_glass(item, host.polyanion, self.folder, kept.parent)
            frames = [_bare(frame) for frame in frames]
            for frame in frames:
                frame.info = {"seed": drawn.seed}
            write_text_atomic(kept, dump_frames(frames))
        how = (
            f"glass of {item.units} {host.polyanion.formula}, {item.melt:g} to {item.temperature:g} K, {item.potential}"
        )
        made = []
        for k, atoms in enumerate(read_frames(kept)):
            name, text = f"{item.name}-{k:02d}", f"{how}, seed {atoms.info.get('seed', item.seed)}"
            made.append(_labelled(atoms, name, item.family or item.name, text, item.temperature, atoms))
        return made

    def cuts(self, item: BoundaryCuts, rng: np.random.Generator) -> list[Atoms]:
        """Return the cells cut from a boundary, which are healed once and kept in the work folder."""
        boundary = cut_boundary(item, self.folder)
        key = _short_hash(item.model_dump_json() + dump_frames([_bare(boundary.atoms)]))
        kept = self.work / "md" / f"{item.name}-{key}" / "cuts.extxyz"
        if not kept.is_file():
            self.observer.say(f"{item.name}: {item.cuts} cuts of a boundary are closed and healed")
            healed = healed_cuts(boundary, kept.parent, rng)
            for one in healed:
                one.atoms.info = {"origin": one.said}
            write_text_atomic(kept, dump_frames([one.atoms for one in healed]))
        how = f"{item.healing:g} to {item.temperature:g} K, {item.potential}, seed {item.seed}"
        made = []
        for k, atoms in enumerate(read_frames(kept)):
            name, text = f"{item.name}-{k:02d}", f"{atoms.info['origin']}; {how}"
            made.append(_labelled(atoms, name, item.family or item.name, text, item.temperature, atoms))
        return made

    def dynamics(self, item: MolecularDynamics, start: Atoms, what: str) -> Iterator[tuple[Atoms, str]]:
        """Yield snapshots of a run, which is made once and kept in the work folder."""
        # Imported here: everything else works where LAMMPS is not installed.
        from dopantfit.lammps import Launcher
        from dopantfit.lammps.snapshots import md_snapshots
        from dopantfit.potential import Potential
        from dopantfit.potential.files import named_in

        key = _short_hash(item.model_dump_json() + dump_frames([_bare(start)]))
        folder = self.work / "md" / f"{item.name}-{key}"
        kept = folder / "snapshots.extxyz"
        if not kept.is_file():
            self.observer.say(f"{item.name}: {item.duration:g} ps at {item.temperature:g} K with {item.potential}")
            potential = Potential.load(named_in(self.folder, item.potential))
            frames = md_snapshots(
                start, potential, item.temperature, item.duration, item.snapshots, item.seed, folder, Launcher(ranks=1)
            )
            write_text_atomic(kept, dump_frames([_bare(frame) for frame in frames]))
        how = f"{item.duration:g} ps at {item.temperature:g} K, {item.potential}, seed {item.seed}, from {what}"
        for k, atoms in enumerate(read_frames(kept)):
            yield atoms, f"snapshot {k + 1} of {item.snapshots} in {how}"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _bare(atoms: Atoms) -> Atoms:
    """Return a copy without what info a program may have left."""
    result = atoms.copy()
    result.info = {}
    return result


def _labelled(atoms: Atoms, frame_id: str, family: str, origin: str, temperature: float, start: Atoms) -> Atoms:
    result = _bare(atoms)
    before = 1.0 + float(start.info.get("strain", 0.0))
    linear = float((atoms.cell.volume / start.cell.volume) ** (1 / 3))
    result.info = {
        "frame_id": frame_id,
        "family": family,
        "composition": composition_of(atoms),
        "temperature": temperature,
        "strain": before * linear - 1.0,
        "origin": origin,
    }
    return result


def _check_same(atoms: Atoms, done: Atoms | None, folder: Path) -> None:
    if done is None:
        return
    same = len(atoms) == len(done) and (atoms.numbers == done.numbers).all()
    if same:
        moved = np.abs(atoms.positions - done.positions).max()
        same = max(moved, np.abs(atoms.cell.array - done.cell.array).max()) < SAME
    if not same:
        raise ReferenceDataError(
            f"{folder}: frame {atoms.info['frame_id']} was computed for another configuration than the plan "
            f"gives; rename the item in the plan, or remove the frame"
        )
