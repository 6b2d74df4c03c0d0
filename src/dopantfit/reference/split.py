"""The split into training and held-out frames: whole families, fixed in the manifest, leak-free.

Frames of one trajectory are all but copies of each other; a held-out error over random frames of it would
only repeat the training error. So a family is held out whole or not at all, frames of one origin never lie
on both sides, and no held-out frame may be a near copy of a training frame.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.frames import FrameSet, cell_problems, load_set
from dopantfit.reference.manifest import MANIFEST_FILE, Manifest, Split, save_manifest
from dopantfit.reference.plausibility import Finding
from dopantfit.reference.similarity import near_pairs
from dopantfit.workflow.schema import parse_content

#: Frames of the two sides must be at least this far apart [Å per ion]; ions move by 0.1 Å at 300 K.
LEAK_DISTANCE = 0.03


def train_and_held_out(frame_set: FrameSet) -> tuple[tuple[Atoms, ...], tuple[Atoms, ...]]:
    """Return the training and the held-out frames as the manifest fixes them.

    Raises ReferenceDataError for a family that does not exist, for nothing left to train on, and for a leak.
    """
    problems = [finding.message for finding in split_findings(frame_set)]
    if problems:
        raise ReferenceDataError(f"{frame_set.name}: {MANIFEST_FILE}: split: {problems[0]}")
    return _sides(frame_set.frames, frame_set.manifest.split.held_out_families)


def fix_split(folder: str | os.PathLike[str], held_out_families: Sequence[str], reason: str) -> Manifest:
    """Write the split into the manifest of the set in ``folder`` and return the manifest.

    Raises ReferenceDataError, and leaves the manifest as it was, where `train_and_held_out` would and where
    ``reason`` is blank.
    """
    old = load_set(folder)
    try:
        split = parse_content(Split, {"held_out_families": list(held_out_families), "reason": reason})
    except ValueError as problem:
        raise ReferenceDataError(f"{folder}: the split's {problem}; name families of the set") from None
    manifest = old.manifest.model_copy(update={"split": split})
    train_and_held_out(FrameSet(old.name, old.frames, manifest))
    if not reason.strip():
        raise ReferenceDataError(f"{folder}: the split has no reason; say in a line why these families are held out")
    save_manifest(Path(folder), manifest)
    return manifest


def split_findings(frame_set: FrameSet) -> list[Finding]:
    """Return what is wrong with the split of the manifest; nothing is where nothing is held out."""
    held_out = frame_set.manifest.split.held_out_families
    if not held_out:
        return []
    frames = tuple(frame for frame in frame_set.frames if "family" in frame.info and "frame_id" in frame.info)
    messages = [*_family_problems(frames, held_out)] or [*_leaks(frames, held_out)]
    return [Finding("error", "split", None, message) for message in messages]


def _family_problems(frames: Sequence[Atoms], held_out: Sequence[str]) -> Iterator[str]:
    families = dict.fromkeys(str(frame.info["family"]) for frame in frames)
    for family in held_out:
        if family not in families:
            yield f"no frame is of the held-out family {family!r}; there are {', '.join(families)}"
    for family in sorted({family for family in held_out if held_out.count(family) > 1}):
        yield f"the held-out family {family!r} is named twice"
    if set(families) <= set(held_out):
        yield "every family is held out; leave at least one to train on"


def _leaks(frames: Sequence[Atoms], held_out: Sequence[str]) -> Iterator[str]:
    train, test = _sides(frames, held_out)
    family_of = {str(frame.info["origin"]): frame.info["family"] for frame in train if "origin" in frame.info}
    for origin in dict.fromkeys(str(frame.info.get("origin")) for frame in test):
        if origin in family_of:
            trained = f"in family {family_of[origin]!r}, trained on"
            yield f"frames of the origin {origin!r} are held out and, {trained}; hold out both or none"
    frames = [frame for frame in frames if np.isfinite(frame.positions).all() and not cell_problems(frame)]
    for i, j, distance in near_pairs(frames, LEAK_DISTANCE, [frame.info["family"] in held_out for frame in frames]):
        one, other = frames[i].info, frames[j].info
        pair = f"{one['frame_id']} ({one['family']}) and {other['frame_id']} ({other['family']})"
        yield f"{pair} are only {distance:.3f} Å per ion apart; hold out both families or none"


def _sides(frames: Sequence[Atoms], held_out: Sequence[str]) -> tuple[tuple[Atoms, ...], tuple[Atoms, ...]]:
    train = tuple(frame for frame in frames if frame.info["family"] not in held_out)
    test = tuple(frame for frame in frames if frame.info["family"] in held_out)
    return train, test
