"""The files that a fit reads, each under the one name that records have for it."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dopantfit.fit.config import FitConfig
from dopantfit.reference.frames import FRAMES_FILE
from dopantfit.reference.manifest import MANIFEST_FILE, load_manifest
from dopantfit.reference.plan import PLAN_FILE
from dopantfit.workflow.provenance import sha256_of

#: What `dopantfit reference compare` writes into a manifest, up to the next table.
_LABEL_CHECK = re.compile(rb"^\[label_check\b.*?(?=^\[(?!label_check\b)|\Z)", re.MULTILINE | re.DOTALL)


def input_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file that a fit reads; of a manifest, of all but how far its labels are from DFT.

    That may be measured after the fit, and changes nothing that the fit computes.
    """
    whole = sha256_of(path)
    if Path(path).name != MANIFEST_FILE:
        return whole
    content = Path(path).read_bytes()
    rest = _LABEL_CHECK.sub(b"", content)
    return whole if rest == content else hashlib.sha256(rest.rstrip(b"\n") + b"\n").hexdigest()


def fit_files(config: FitConfig, file: Path) -> dict[str, Path]:
    """Every file that the fit in ``file`` reads, by name."""
    crystals = [crystal.structure for crystal in config.crystals]
    beside = {name: file.parent / name for name in (config.host, config.compare_with, *crystals) if name}
    return (
        {file.name: file}
        | set_files(config, file.parent)
        | {name: path for name, path in beside.items() if path.is_file()}
    )


def set_files(config: FitConfig, folder: Path) -> dict[str, Path]:
    """Frames and manifest of every set, and the plan of one with exchanges, by name.

    folder: which the paths of the sets are relative to.
    """
    exchanged = [one.path for one in config.exchanges]
    paths = list(dict.fromkeys([one.path for one in config.sets] + exchanged))
    names = told_apart([Path(path).name for path in paths], paths)
    return {
        f"{name}/{file}": folder / path / file
        for name, path in zip(names, paths, strict=True)
        for file in (FRAMES_FILE, MANIFEST_FILE, *((PLAN_FILE,) if path in exchanged else ()))
    }


def label_sources(config: FitConfig, folder: Path) -> list[dict[str, Any]]:
    """What made the labels of every set, and whether they are DFT's or were held against DFT; see ``LabelSource``."""
    paths = list(dict.fromkeys([one.path for one in config.sets] + [one.path for one in config.exchanges]))
    manifests = [load_manifest(folder / path) for path in paths]
    names = told_apart([manifest.name for manifest in manifests], paths)
    return [
        {
            "set": name,
            "code": f"{manifest.code} {manifest.code_version}",
            "held_against_dft": manifest.labels_are_measured,
        }
        for name, manifest in zip(names, manifests, strict=True)
    ]


def told_apart(names: Sequence[str], paths: Sequence[str]) -> list[str]:
    """The names of sets; in place of a name that several have, the path of each, which no two share."""
    counts = Counter(names)
    return [
        name if counts[name] == 1 else os.path.normpath(path).replace(os.sep, "/")
        for name, path in zip(names, paths, strict=True)
    ]
