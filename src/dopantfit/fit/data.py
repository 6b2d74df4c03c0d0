"""The frames a fit is held to: what DFT says, which error counts as one, and which side of the split they are on."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.energy import Frame, make_frame
from dopantfit.energy.arrays import Floats
from dopantfit.energy.neighbours import find_pairs
from dopantfit.errors import ConfigError
from dopantfit.fit.config import FitConfig, ReferenceSet
from dopantfit.fit.inputs import told_apart
from dopantfit.potential import Potential
from dopantfit.reference.frames import FRAMES_FILE, FrameSet, calculated, load_set
from dopantfit.reference.split import train_and_held_out
from dopantfit.structures import labels_of
from dopantfit.units import EV_PER_A3_IN_GPA


@dataclass(frozen=True)
class Target:
    """One frame and what the fit compares there.

    name: ``set/frame_id``. set: its name, or its path where two have one name. composition: formula of the ions. group:
    of both; energies are compared within a group only, because totals of different stoichiometries (and of sets made
    with different settings) have offsets of their own.
    energy [eV]. forces (n_ions, 3) [eV/Å]. stress (6,) [eV/Å³], None where DFT gave none.
    force_weight: what multiplies a difference of forces, ``shape=(n_ions,)`` [Å/eV]. energy_weight [1/eV].
    stress_weight [Å³/eV]. All are zero where that kind is not fitted.
    """

    name: str
    set: str
    family: str
    composition: str
    frame: Frame
    energy: float
    forces: Floats
    stress: Floats | None
    force_weight: Floats
    energy_weight: float
    stress_weight: float
    held_out: bool

    @property
    def group(self) -> str:
        """Set and composition."""
        return f"{self.set}:{self.composition}"

    @property
    def ion_labels(self) -> list[str]:
        """Species label of every ion."""
        return [self.frame.labels[s] for s in self.frame.species]

    @property
    def force_count(self) -> int:
        """Components of forces that are fitted."""
        return 3 * int(np.count_nonzero(self.force_weight))

    @property
    def stress_count(self) -> int:
        """Components of the stress that are fitted."""
        return 6 if self.stress_weight and self.stress is not None else 0


def load_targets(config: FitConfig, base: Potential, folder: Path, source: str) -> tuple[Target, ...]:
    """All frames of all sets, in the order of the file; training and held-out ones.

    base: the start potential. folder: that of the file, which paths are relative to. source: its name for messages.
    Raises ConfigError and ReferenceDataError.
    """
    loaded = [load_set(Path(os.path.normpath(folder / one.path))) for one in config.sets]
    _refuse_twice(config.sets, loaded, folder, source)
    names = told_apart([frames.name for frames in loaded], [one.path for one in config.sets])
    targets = [
        target
        for one, frames, name in zip(config.sets, loaded, names, strict=True)
        for target in _targets_of(one, replace(frames, name=name), config, base, source)
    ]
    check_targets(config, targets, source)
    return tuple(targets)


def _refuse_twice(sets: Sequence[ReferenceSet], loaded: Sequence[FrameSet], folder: Path, source: str) -> None:
    """Refuse a set that is given twice, by another spelling of its path or as a copy of its frames."""
    seen: dict[str, str] = {}
    for one, frames in zip(sets, loaded, strict=True):
        for mark in (os.path.realpath(folder / one.path), frames.manifest.files[FRAMES_FILE]):
            other = seen.setdefault(mark, one.path)
            if other != one.path:
                raise ConfigError(
                    f"{source}: sets: {other} and {one.path} hold the same frames; each set counts once, remove one"
                )


def _targets_of(
    one: ReferenceSet, frames: FrameSet, config: FitConfig, base: Potential, source: str
) -> Iterator[Target]:
    if one.held_out_families is not None:
        unknown = [family for family in one.held_out_families if family not in frames.families]
        if unknown:
            raise ConfigError(
                f"{source}: sets: {one.path}: held_out_families names {unknown[0]!r}, and the set has the families "
                f"{', '.join(frames.families)}; name some of these"
            )
        split = frames.manifest.split.model_copy(update={"held_out_families": one.held_out_families})
        frames = FrameSet(frames.name, frames.frames, frames.manifest.model_copy(update={"split": split}))
    frames = _without(one, frames, source)
    held_out = {id(atoms) for atoms in train_and_held_out(frames)[1]}
    _refuse_unknown_species(frames, base, f"{source}: sets: {one.path}")
    dopant = config.dopant.label if config.dopant and not config.frees_host else None
    if dopant is not None and not any(dopant in labels_of(atoms) for atoms in frames.frames):
        raise ConfigError(
            f"{source}: sets: no frame of {one.path} holds the dopant {dopant}, and nothing of the host is free; "
            "remove the set, its frames cannot tell anything about the dopant"
        )
    for atoms in frames.frames:
        yield make_target(atoms, frames.name, one, base, config.force_weights, id(atoms) in held_out)


def _without(one: ReferenceSet, frames: FrameSet, source: str) -> FrameSet:
    """The set without the frames and families that the file leaves out; ConfigError for a name that is none of it."""
    names = {str(atoms.info["frame_id"]): str(atoms.info["family"]) for atoms in frames.frames}
    for name in one.left_out:
        if name not in names and name not in frames.families:
            raise ConfigError(
                f"{source}: sets: {one.path}: left_out names {name!r}, which is no frame and no family of the set; its "
                f"families are {', '.join(frames.families)}"
            )
    gone = {name for name, family in names.items() if {name, family} & set(one.left_out)}
    if len(gone) == len(names):
        raise ConfigError(f"{source}: sets: {one.path}: left_out leaves no frame; remove the set")
    kept = tuple(atoms for atoms in frames.frames if atoms.info["frame_id"] not in gone)
    families = {names[str(atoms.info["frame_id"])] for atoms in kept}
    held_out = tuple(one for one in frames.manifest.split.held_out_families if one in families)
    split = frames.manifest.split.model_copy(update={"held_out_families": held_out})
    return FrameSet(frames.name, kept, frames.manifest.model_copy(update={"split": split}))


def _refuse_unknown_species(frames: FrameSet, base: Potential, where: str) -> None:
    for atoms in frames.frames:
        missing = sorted(set(labels_of(atoms)) - set(base.species))
        if missing:
            raise ConfigError(
                f"{where}: frame {atoms.info['frame_id']} holds {', '.join(missing)}, which neither the host nor the "
                f"dopant is ({', '.join(base.species)}); choose a host with it or remove the set"
            )


def make_target(
    atoms: Atoms,
    set_name: str,
    weights: ReferenceSet,
    potential: Potential,
    force_weights: Mapping[str, float],
    held_out: bool = False,
) -> Target:
    """The target of one frame whose calculator has energy [eV], forces [eV/Å] and perhaps stress [eV/Å³]."""
    results, name = calculated(atoms), f"{set_name}/{atoms.info['frame_id']}"
    root = float(np.sqrt(weights.weight))
    stress = results.get("stress")
    if weights.stress_error is not None and stress is None:
        raise ConfigError(f"sets: {name} has no stress; leave out stress_error for {weights.path}")
    of_species = np.array([force_weights.get(label, 1.0) for label in labels_of(atoms)])
    return Target(
        name=name,
        set=set_name,
        family=str(atoms.info["family"]),
        composition=str(atoms.info["composition"]),
        frame=make_frame(atoms, potential, name, background=True),
        energy=float(results["energy"]),
        forces=np.asarray(results["forces"], dtype=np.float64),
        stress=None if stress is None else np.asarray(stress, dtype=np.float64),
        force_weight=of_species * (root / weights.force_error if weights.force_error else 0.0),
        energy_weight=root / (weights.energy_error * len(atoms)) if weights.energy_error else 0.0,
        stress_weight=root * EV_PER_A3_IN_GPA / weights.stress_error if weights.stress_error else 0.0,
        held_out=held_out,
    )


def check_targets(config: FitConfig, targets: Sequence[Target], source: str) -> None:
    """Refuse what no fit can come of: frames of one composition only, a species that is named and nowhere to be found.

    Raises ConfigError.
    """
    training = [target for target in targets if not target.held_out]
    species = {label for target in targets for label in target.frame.labels}
    unknown = sorted(set(config.force_weights) - species)
    if unknown:
        raise ConfigError(
            f"{source}: force_weights names {unknown[0]}, which no frame holds ({', '.join(sorted(species))}); "
            "remove it"
        )
    compositions = {target.composition for target in training}
    if len(compositions) == 1 and not config.one_composition:
        raise ConfigError(
            f"{source}: sets: all training frames have the composition {compositions.pop()}, so nothing shows whether "
            "the fit carries over to another; add a set of another composition, or write one_composition = true"
        )


@dataclass(frozen=True)
class Information:
    """What the training frames can say about one variable: how many frames feel it, and from how near."""

    frames: int
    components: int
    closest: float | None


def information(labels: tuple[str, ...], cutoff: float, targets: Sequence[Target]) -> Information:
    """Count the training frames with the species of a parameter (a pair closer than ``cutoff`` [Å], or an ion).

    closest: shortest distance of a pair [Å], None for a parameter of single ions. components: weighted numbers (force
    components, energies, stresses) in those frames.
    """
    frames = components = 0
    nearest = np.inf
    for target in targets:
        if target.held_out or not set(labels) <= set(target.frame.labels):
            continue
        distance = _closest(target.frame, labels[0], labels[1], cutoff) if len(labels) == 2 else 0.0
        if distance < cutoff:
            frames += 1
            components += residual_count(target)
            nearest = min(nearest, distance)
    return Information(frames, components, float(nearest) if frames and len(labels) == 2 else None)


def residual_count(target: Target) -> int:
    """How many numbers of this frame the fit is held to."""
    forces = 3 * int(np.count_nonzero(target.force_weight))
    return forces + bool(target.energy_weight) + 6 * bool(target.stress_weight)


def _closest(frame: Frame, a: str, b: str, cutoff: float) -> float:
    """Shortest distance of two species [Å], infinite beyond ``cutoff`` [Å]."""
    pairs = find_pairs(frame.positions, frame.cell, cutoff)
    ends = frame.species[pairs.ions.astype(np.int64)]
    s, t = frame.labels.index(a), frame.labels.index(b)
    wanted = ((ends[:, 0] == s) & (ends[:, 1] == t)) | ((ends[:, 0] == t) & (ends[:, 1] == s))
    return float(pairs.distance[wanted].min(initial=np.inf))
