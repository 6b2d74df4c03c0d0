"""DFT frames: made, read, verified and split.

A set is a folder with ``frames.extxyz`` and ``manifest.toml``: `load_set` reads it, `check_set` checks it.
"""

from typing import TYPE_CHECKING

from dopantfit.rooms import lazily

if TYPE_CHECKING:
    from dopantfit.reference.check import CheckReport, check_set
    from dopantfit.reference.frames import FrameSet, load_set, read_frames
    from dopantfit.reference.manifest import Manifest, load_manifest

__all__ = ["CheckReport", "FrameSet", "Manifest", "check_set", "load_manifest", "load_set", "read_frames"]

__getattr__ = lazily(
    __name__,
    {
        "CheckReport": "check",
        "FrameSet": "frames",
        "Manifest": "manifest",
        "check_set": "check",
        "load_manifest": "manifest",
        "load_set": "frames",
        "read_frames": "frames",
    },
)
