"""The files that a fit reads, each under the one name that records have for it."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dopantfit.fit.config import FitConfig
from dopantfit.reference.frames import FRAMES_FILE
from dopantfit.reference.manifest import MANIFEST_FILE, load_manifest


def fit_files(config: FitConfig, file: Path) -> dict[str, Path]:
    """Every file that the fit in ``file`` reads, by name."""
    beside = {name: file.parent / name for name in (config.host, config.compare_with) if name}
    return (
        {file.name: file}
        | set_files(config, file.parent)
        | {name: path for name, path in beside.items() if path.is_file()}
    )


def set_files(config: FitConfig, folder: Path) -> dict[str, Path]:
    """Frames and manifest of every set, by name. folder: which the paths of the sets are relative to."""
    paths = [one.path for one in config.sets]
    names = told_apart([Path(path).name for path in paths], paths)
    return {
        f"{name}/{file}": folder / path / file
        for name, path in zip(names, paths, strict=True)
        for file in (FRAMES_FILE, MANIFEST_FILE)
    }


def label_sources(config: FitConfig, folder: Path) -> list[dict[str, Any]]:
    """What made the labels of every set, and whether they are DFT's or were held against DFT; see ``LabelSource``."""
    manifests = [load_manifest(folder / one.path) for one in config.sets]
    names = told_apart([manifest.name for manifest in manifests], [one.path for one in config.sets])
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
