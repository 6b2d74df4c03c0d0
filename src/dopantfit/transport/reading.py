"""Trajectories from files: DCD and text dumps of LAMMPS, XYZ, XDATCAR and whatever else ASE reads.

A file becomes a `Recording`; its sites get labels, its frames times, its positions images; then it is a `Trajectory`.
"""

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase.geometry import cell_to_cellpar

from dopantfit.errors import ConfigError
from dopantfit.transport.dcd import read_dcd
from dopantfit.transport.images import unwrapped
from dopantfit.transport.labels import Structure, label_sites, labels_of, read_ase
from dopantfit.transport.plausibility import check_apart
from dopantfit.transport.recording import Recording, goes_on, is_same_run, joined
from dopantfit.transport.text_dump import read_text_dump
from dopantfit.transport.times import interval_of
from dopantfit.transport.trajectory import Floats, Trajectory, check_cells
from dopantfit.transport.xdatcar import is_old_xdatcar, is_xdatcar, read_xdatcar
from dopantfit.transport.xyz import read_xyz
from dopantfit.workflow.compressed import open_text, plain_name
from dopantfit.workflow.provenance import read_sealed

_DUMPS = (".dump", ".lammpstrj", ".lammpsdump")
_XYZ = (".xyz", ".extxyz")
#: Text looked at to tell formats apart.
_HEAD = 4_000
#: Largest relative deviation of lengths and angles of a cell from that of the same crystal, warm or strained.
_SAME_CELL = 0.05
#: Files in the folder of one of our runs; the last is written when all is done.
_RUN_TRAJECTORY, _RUN_STATE, _RUN_RECORD = "trajectory.dcd", "progress.json", "run.json"

FilePath = str | os.PathLike[str]


def read_trajectory(
    path: FilePath | Sequence[FilePath],
    species: Sequence[str] | None = None,
    timestep: float | None = None,
    interval: float | None = None,
    *,
    structure: Structure | None = None,
    types: Mapping[str, str] | None = None,
    nearest_image: bool = False,
    timed: bool = True,
) -> Trajectory:
    """Read a trajectory of ions (cores); several files are the parts of one run, in their order.

    species: label of every ion in the order of ids; needed for DCD, and for a text dump without ``element``.
        structure: instead, what `read_structure` read. types: species by LAMMPS's types, which come first.
    timestep: of the molecular dynamics [ps]; needed for a file whose frames carry steps and no times. A DCD file of a
        ``metal`` run carries its own; one that says more than 0.01 ps was written in other units.
    interval: time between frames [ps], instead; needed for a file without times and steps.
    nearest_image: unwrap wrapped positions also where an ion moves by more than a third of the cell between frames;
        where none does, and there are no image flags, they always are unwrapped so.
    timed: False where nothing depends on time; frames without times are then 1 ps apart.
    Raises ConfigError, with the file's name, when it cannot be read, positions or species are not certain, frames
    are missing, the ions change, sites cannot be ions, or it holds fewer than two frames. Warns when it is that of an
    unfinished run (see `unfinished_run`).
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    for one in paths:
        note = unfinished_run(one)
        if note is not None:
            warnings.warn(note, stacklevel=2)
    if species is not None:
        structure = Structure("what was given", tuple(species))
    (recording,), _ = read_replicas([paths])
    return as_trajectory(
        recording, structure, timestep, interval, types=types, nearest_image=nearest_image, timed=timed
    )


def read_replicas(runs: Sequence[Sequence[FilePath]]) -> tuple[list[Recording], list[str]]:
    """Read independent runs of one system, each from its files in their order; and words on those that are not.

    Raises ConfigError as `read_trajectory`, and when one run is given twice: as a file, a link, a copy, or the same
    frames in another format.
    """
    recordings: list[Recording] = []
    words = []
    for paths in runs:
        parts = [read_recording(path) for path in paths]
        _check_given_once(paths, parts)
        recording = joined(parts)
        for other in recordings:
            if is_same_run(recording, other):
                raise ConfigError(
                    f"{recording.source}: is the same run as {other.source}; replicas are independent, give each once"
                )
            for first, second in ((other, recording), (recording, other)):
                if goes_on(first, second):
                    words.append(
                        f"{second.source}: goes on from {first.source}: parts of one run are no independent replicas; "
                        "give --join to read them as one"
                    )
        recordings.append(recording)
    return recordings, words


def _check_given_once(paths: Sequence[FilePath], parts: Sequence[Recording]) -> None:
    for i, (path, part) in enumerate(zip(paths, parts, strict=True)):
        for other_path, other in zip(paths[:i], parts, strict=False):
            if os.path.samefile(path, other_path) or is_same_run(part, other):
                raise ConfigError(f"{path}: is the same part of the run as {other_path}; give every part once")


def read_recording(path: FilePath) -> Recording:
    """Read a file as it is; ConfigError when it cannot be read."""
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f"{file}: there is no such trajectory; check the path")
    if file.stat().st_size == 0:
        raise ConfigError(f"{file}: is empty; the run ended before it wrote a frame")
    suffix = Path(plain_name(file)).suffix.lower()
    if suffix == ".dcd":
        return _from_dcd(file)
    with open_text(file) as stream:
        head = stream.read(_HEAD)
    if suffix in _DUMPS or head.startswith("ITEM: "):
        return read_text_dump(file)
    if is_xdatcar(head):
        return read_xdatcar(file)
    if is_old_xdatcar(head):
        raise ConfigError(
            f"{file}: is an XDATCAR of VASP 4, which names neither cell vectors nor species; write it as extended XYZ "
            "with both"
        )
    if suffix in _XYZ or re.match(r"\s*\d+\s*\n", head):
        return read_xyz(file)
    return _from_ase(file)


def as_trajectory(
    recording: Recording,
    structure: Structure | None = None,
    timestep: float | None = None,
    interval: float | None = None,
    *,
    types: Mapping[str, str] | None = None,
    nearest_image: bool = False,
    timed: bool = True,
) -> Trajectory:
    """Give sites labels, frames times and positions images; arguments and errors as `read_trajectory`."""
    source, n_frames = recording.source, len(recording.positions)
    if n_frames < 2:
        raise ConfigError(f"{source}: holds {n_frames} frames; motion needs at least two")
    between, notes = interval_of(recording, timestep, interval, timed)
    labels, ions = label_sites(recording, structure, types)
    cells = _cells(recording, structure)
    check_cells(cells, source)
    positions = recording.positions
    if len(ions) < positions.shape[1]:
        positions = positions[:, ions]
    check_apart(positions, cells, labels, source)
    positions, note = unwrapped(positions, cells, source, recording.wrapped, nearest_image)
    notes += [] if note is None else [note]
    return Trajectory(positions, labels, cells, between, source, tuple(notes))


def _cells(recording: Recording, structure: Structure | None) -> Floats:
    if recording.cells is not None:
        return recording.cells
    if structure is None or structure.cell is None:
        raise ConfigError(
            f"{recording.source}: holds no cell; give a structure that has one, or write extended XYZ (Lattice)"
        )
    return np.broadcast_to(structure.cell, (len(recording.positions), 3, 3))


def unfinished_run(path: FilePath) -> str | None:
    """Say how far the run is whose trajectory this is, if it is one of ours and not finished; None for all others.

    After each leg of a run its trajectory looks whole.
    """
    file = Path(path)
    state = file.parent / _RUN_STATE
    if not _is_ours(file) or read_sealed(file.parent / _RUN_RECORD) is not None:
        return None
    known, how_far = read_sealed(state), ""
    if known is not None:
        timestep, duration = known["settings"]["timestep"], known["settings"]["duration"]
        how_far = f", {known['step'] * timestep:.4g} of {duration:.4g} ps"
    return (
        f"{file}: holds an unfinished run{how_far}; numbers are of what is there: "
        "run it again with the same arguments to finish it"
    )


def _is_ours(file: Path) -> bool:
    return file.name == _RUN_TRAJECTORY and (file.parent / _RUN_STATE).is_file()


def species_of(path: FilePath) -> tuple[str, ...]:
    """Read the species labels, ion by ion, of a structure file that ASE reads (array ``species``, or elements).

    Raises ConfigError when it cannot be read.
    """
    return labels_of(read_ase(Path(path), "-1")[0])


def sites_of(path: FilePath, kinds: Sequence[str], cell: Floats) -> tuple[tuple[str, ...], Floats]:
    """Read the sites that ions of a reference structure stand on: their kinds, and fractions, ``shape=(n_sites, 3)``.

    kinds: labels of these ions (array ``label`` or ``species``, or elements). cell: that of the trajectory [Å], rows;
        the reference may be turned against it.
    Raises ConfigError when the file cannot be read, its cell is another one, or a kind has no ion.
    """
    frame = read_ase(Path(path), "-1")[0]
    if not np.allclose(frame.cell.cellpar(), cell_to_cellpar(cell), rtol=_SAME_CELL):
        ours, theirs = (" ".join(f"{x:.4g}" for x in one) for one in (frame.cell.cellpar(), cell_to_cellpar(cell)))
        raise ConfigError(
            f"{path}: its cell (lengths, angles) is {ours}, that of the trajectory {theirs}; "
            "give sites of the same supercell"
        )
    labels = tuple(map(str, frame.arrays["label"])) if "label" in frame.arrays else labels_of(frame)
    for kind in kinds:
        if kind not in labels:
            present = ", ".join(sorted(set(labels)))
            raise ConfigError(f"{path}: no site is labelled {kind!r}; it holds {present}: name kinds with --site")
    chosen = [i for i, label in enumerate(labels) if label in kinds]
    return tuple(labels[i] for i in chosen), np.asarray(frame.get_scaled_positions()[chosen])


def _from_dcd(file: Path) -> Recording:
    recording = read_dcd(file)
    # A frame of ours is unwrapped, however far an ion goes between two of them.
    return replace(recording, wrapped=False) if _is_ours(file) else recording


def _from_ase(file: Path) -> Recording:
    frames = read_ase(file, ":")
    labels = labels_of(frames[0])
    for i, frame in enumerate(frames):
        if labels_of(frame) != labels:
            raise ConfigError(
                f"{file}: frame {i} holds {len(frame)} ions, frame 0 {len(labels)}, or other species: every frame must "
                "hold the same ions in the same order; write them so"
            )
    with np.errstate(all="ignore"):
        positions = np.array([frame.positions for frame in frames]).astype(np.float32)
    cells = np.array([frame.cell.array for frame in frames])
    return Recording(str(file), positions, cells if cells.any() else None, species=labels)
