"""From finished frames to the set: which frames are there, and the manifest that says how they were made."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.frames import append_frames, load_set, write_set
from dopantfit.reference.generate import Generated
from dopantfit.reference.labels import Labels, labels_of
from dopantfit.reference.manifest import MANIFEST_FILE, KPointCheck, Manifest, load_manifest, save_manifest
from dopantfit.reference.plan import Plan, Recompute
from dopantfit.reference.result import BOOKKEEPING, RESULT_FILE, read_result


def finished_frames(plan: Plan, folder: Path, work: Path, labels: Labels | None = None) -> dict[str, Atoms]:
    """Return the frames that are there, by frame_id: those of the set and those in ``work``.

    A result in ``work`` that was computed with other settings than the plan's is not counted. labels: what computes
    the plan, where that is at hand.
    """
    if labels is None:
        with labels_of(plan, folder) as found:
            return finished_frames(plan, folder, work, found)
    frames: dict[str, Atoms] = {}
    for path in sorted(work.glob(f"*/{RESULT_FILE}")):
        frame = read_result(path.parent)
        if frame is None:
            continue
        name = str(frame.info["frame_id"])
        item = plan.item_of(name)
        mesh = (item.k_mesh if item else None) or plan.k_mesh
        if frame.info.get("input_sha256") == labels.fingerprint(frame, mesh):
            frames[name] = frame
    return frames | frames_of_the_set(folder)


def frames_of_the_set(folder: Path) -> dict[str, Atoms]:
    """Return the frames of the set in ``folder`` by frame_id; none where there is no set yet."""
    if not (folder / MANIFEST_FILE).is_file() or not load_manifest(folder).files:
        return {}
    return {str(frame.info["frame_id"]): frame for frame in load_set(folder).frames}


def collect(
    plan: Plan, folder: Path, made: Generated, finished: Mapping[str, Atoms], labels: Labels
) -> tuple[str, ...]:
    """Add to the set in ``folder`` the finished frames of the plan that are not in it; return their names.

    The first frames make the manifest. Raises ReferenceDataError when the set is damaged.
    """
    there = frames_of_the_set(folder)
    new = [c for c in made.configurations if c.collect and c.frame_id in finished and c.frame_id not in there]
    if there:
        _note_k_points(plan, folder, finished)
    if not new:
        return ()
    frames = [_for_the_set(finished[c.frame_id]) for c in new]
    if there:
        append_frames(folder, frames)
    else:
        versions = {str(finished[c.frame_id].info["computed_with"]) for c in new}
        # All that the plan is known to bring, since an element that is not named here cannot join later.
        elements = {symbol for c in made.configurations for symbol in c.atoms.symbols}
        write_set(folder, frames, _with_what_was_said(labels.manifest(plan, elements, versions), folder))
    return tuple(c.frame_id for c in new)


def k_point_check(plan: Plan, finished: Mapping[str, Atoms]) -> KPointCheck | None:
    """Return what a denser mesh changes, from the frames that the plan has recomputed with it.

    Counted: items of kind recompute that start from a frame of the set and have a mesh of their own, those
    of the first such mesh. None when no such frame is finished.
    """
    pairs = [
        (item.k_mesh, finished[item.name], finished[str(item.start.frame)])
        for item in plan.configurations
        if isinstance(item, Recompute)
        and item.k_mesh not in (None, plan.k_mesh)
        and item.name in finished
        and item.start.frame in finished
    ]
    pairs = [pair for pair in pairs if pair[0] == pairs[0][0]]
    if not pairs or pairs[0][0] is None:
        return None
    differences = np.concatenate([dense.get_forces() - there.get_forces() for _, dense, there in pairs])
    energies = [dense.get_potential_energy() - there.get_potential_energy() for _, dense, there in pairs]
    return KPointCheck(
        frame_ids=tuple(str(there.info["frame_id"]) for _, _, there in pairs),
        k_mesh=pairs[0][0],
        compared_with=plan.k_mesh,
        force_rms_difference=float(np.sqrt(np.mean(differences**2))),
        force_max_difference=float(np.abs(differences).max()),
        energy_differences=tuple(float(energy) for energy in energies),
    )


def _with_what_was_said(made: Manifest, folder: Path) -> Manifest:
    """Return a new manifest with what people have written into one that had no frames yet."""
    if not (folder / MANIFEST_FILE).is_file():
        return made
    there = load_manifest(folder)
    kept = ("split", "charged_families", "energy_reference")
    named = {} if made.calculator is not None else {**there.pseudopotentials, **made.pseudopotentials}
    return made.model_copy(update={key: getattr(there, key) for key in kept} | {"pseudopotentials": named})


def _note_k_points(plan: Plan, folder: Path, finished: Mapping[str, Atoms]) -> None:
    """Write the check of the k-mesh into the manifest once it is there."""
    check, manifest = k_point_check(plan, finished), load_manifest(folder)
    if check is None:
        return
    if manifest.k_point_check is not None:  # What somebody has said of it stays.
        check = check.model_copy(update={"note": manifest.k_point_check.note})
    if check != manifest.k_point_check:
        save_manifest(folder, manifest.model_copy(update={"k_point_check": check}))


def _for_the_set(frame: Atoms) -> Atoms:
    if frame.calc is None:
        raise ReferenceDataError(f"frame {frame.info['frame_id']} holds no results; compute it again")
    result = frame.copy()
    result.calc = frame.calc
    result.info = {key: value for key, value in frame.info.items() if key not in BOOKKEEPING}
    return result
