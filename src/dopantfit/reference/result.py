"""The result of one frame in its folder: written once, sealed, and believed only while it is what was written."""

from pathlib import Path

from ase import Atoms

from dopantfit.reference.frames import dump_frames, read_frames
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.provenance import write_text_atomic
from dopantfit.workflow.step import Step

RESULT_FILE = "result.extxyz"
RECORD_FILE = "record.json"
#: What ``info`` of a result holds beside what its frame will carry. input_sha256: hash of all that it depends on.
BOOKKEEPING = ("input_sha256", "computed_with", "wall_seconds", "scf_steps")


def keep_result(folder: Path, frame: Atoms) -> None:
    """Write a frame with its bookkeeping, and the record that vouches for it."""
    write_text_atomic(make_folder(folder) / RESULT_FILE, dump_frames([frame]))
    Step(folder / RECORD_FILE, {"key": frame.info["input_sha256"]}).keep({}, [RESULT_FILE])


def read_result(folder: Path) -> Atoms | None:
    """Return the frame that was computed in ``folder``; None where none is complete, or it is not what was written.

    One of an earlier version has no record, and is taken as it is.
    """
    path = folder / RESULT_FILE
    if not path.is_file():
        return None
    if not (folder / RECORD_FILE).exists():
        return read_frames(path)[0]
    record = Step(folder / RECORD_FILE, {}).kept()
    frame = None if record is None else read_frames(path)[0]
    return frame if frame is not None and record is not None and record["key"] == frame.info["input_sha256"] else None
