"""Trajectories from files: DCD and text dumps of LAMMPS, and whatever else ASE reads, extended XYZ above all."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.geometry import cell_to_cellpar

from dopantfit.errors import ConfigError
from dopantfit.transport.dcd import read_dcd
from dopantfit.transport.text_dump import read_text_dump
from dopantfit.transport.trajectory import Trajectory
from dopantfit.workflow.provenance import read_sealed

_DUMPS = (".dump", ".lammpstrj", ".lammpsdump")
#: Largest relative deviation of one interval between frames from another: float32 time steps, rounded times.
_EQUAL = 1e-4
#: Largest relative deviation of lengths and angles of a cell from that of the same crystal, warm or strained.
_SAME_CELL = 0.05
#: Longest time step [ps] that ions can be followed with; a DCD header with a longer one counts in other units.
_LONGEST_STEP = 0.01
#: Files in the folder of one of our runs; the last is written when all is done.
_RUN_TRAJECTORY, _RUN_STATE, _RUN_RECORD = "trajectory.dcd", "progress.json", "run.json"


def read_trajectory(
    path: str | os.PathLike[str],
    species: Sequence[str] | None = None,
    timestep: float | None = None,
    interval: float | None = None,
) -> Trajectory:
    """Read a trajectory of ions (cores).

    species: label of every ion in the order of ids; needed for DCD, and for a text dump without ``element``.
    timestep: of the molecular dynamics [ps]; needed for a text dump, whose frames carry steps. A DCD file of a
        ``metal`` run carries its own; one that says more than 0.01 ps was written in other units.
    interval: time between frames [ps], instead; needed for an extended XYZ file without ``time`` or ``step``.
    Raises ConfigError, with the file's name, when it cannot be read, is wrapped without image flags, when frames
    are missing, the number of ions changes, or it holds fewer than two frames. Warns when it is that of an unfinished
    run (see `unfinished_run`).
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f"{file}: there is no such trajectory; check the path")
    if file.stat().st_size == 0:
        raise ConfigError(f"{file}: is empty; the run ended before it wrote a frame")
    note = unfinished_run(file)
    if note is not None:
        warnings.warn(note, stacklevel=2)
    if file.suffix == ".dcd":
        return _from_dcd(file, species, timestep, interval)
    if file.suffix in _DUMPS or _is_dump(file):
        return _from_dump(file, species, timestep, interval)
    return _from_ase(file, species, timestep, interval)


def unfinished_run(path: str | os.PathLike[str]) -> str | None:
    """Say how far the run is whose trajectory this is, if it is one of ours and not finished; None for all others.

    After each leg of a run its trajectory looks whole.
    """
    file = Path(path)
    state = file.parent / _RUN_STATE
    if file.name != _RUN_TRAJECTORY or not state.is_file() or read_sealed(file.parent / _RUN_RECORD) is not None:
        return None
    known, how_far = read_sealed(state), ""
    if known is not None:
        timestep, duration = known["settings"]["timestep"], known["settings"]["duration"]
        how_far = f", {known['step'] * timestep:.4g} of {duration:.4g} ps"
    return (
        f"{file}: holds an unfinished run{how_far}; numbers are of what is there: "
        "run it again with the same arguments to finish it"
    )


def species_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read the species labels, ion by ion, of a structure file that ASE reads (array ``species``, or elements).

    Raises ConfigError when it cannot be read.
    """
    return _labels(_read_ase(Path(path), "-1")[0])


def sites_of(
    path: str | os.PathLike[str], kinds: Sequence[str], cell: "np.typing.NDArray[np.float64]"
) -> tuple[tuple[str, ...], "np.typing.NDArray[np.float64]"]:
    """Read the sites that ions of a reference structure stand on: their kinds, and fractions, ``shape=(n_sites, 3)``.

    kinds: labels of these ions (array ``label`` or ``species``, or elements). cell: that of the trajectory [Å], rows;
        the reference may be turned against it.
    Raises ConfigError when the file cannot be read, its cell is another one, or a kind has no ion.
    """
    frame = _read_ase(Path(path), "-1")[0]
    if not np.allclose(frame.cell.cellpar(), cell_to_cellpar(cell), rtol=_SAME_CELL):
        ours, theirs = (" ".join(f"{x:.4g}" for x in one) for one in (frame.cell.cellpar(), cell_to_cellpar(cell)))
        raise ConfigError(
            f"{path}: its cell (lengths, angles) is {ours}, that of the trajectory {theirs}; "
            "give sites of the same supercell"
        )
    labels = tuple(map(str, frame.arrays["label"])) if "label" in frame.arrays else _labels(frame)
    for kind in kinds:
        if kind not in labels:
            present = ", ".join(sorted(set(labels)))
            raise ConfigError(f"{path}: no site is labelled {kind!r}; it holds {present}: name kinds with --site")
    chosen = [i for i, label in enumerate(labels) if label in kinds]
    return tuple(labels[i] for i in chosen), np.asarray(frame.get_scaled_positions()[chosen])


def _is_dump(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(6) == b"ITEM: "


def _from_dcd(file: Path, species: Sequence[str] | None, timestep: float | None, interval: float | None) -> Trajectory:
    content = read_dcd(file)
    if species is None:
        raise ConfigError(
            f"{file}: a DCD file holds no species; give a structure with its {content.positions.shape[1]} ions"
        )
    if timestep is None and interval is None and content.timestep > _LONGEST_STEP:
        raise ConfigError(
            f"{file}: its header says a time step of {content.timestep:g}, as ps too long to follow ions with "
            f"(at most {_LONGEST_STEP:g}); was it written in other units than LAMMPS metal? "
            "Give the time step with --timestep, in ps"
        )
    step = content.timestep if timestep is None else timestep
    time = content.steps_per_frame * step if interval is None else interval
    return Trajectory(content.positions, tuple(species), content.cells, float(time), str(file))


def _from_dump(file: Path, species: Sequence[str] | None, timestep: float | None, interval: float | None) -> Trajectory:
    content = read_text_dump(file)
    labels = content.species if species is None else tuple(species)
    if labels is None:
        raise ConfigError(f"{file}: has no column 'element'; dump it, or give a structure with the same ions")
    _check_equidistant(np.array(content.steps, dtype=float), "step", file)
    if interval is None:
        if timestep is None:
            raise ConfigError(f"{file}: its frames carry steps, not times; give the time step of the run [ps]")
        if len(content.steps) > 1:
            interval = (content.steps[1] - content.steps[0]) * timestep
    return Trajectory(content.positions, labels, content.cells, float(interval or 1.0), str(file))


def _from_ase(file: Path, species: Sequence[str] | None, timestep: float | None, interval: float | None) -> Trajectory:
    frames = _read_ase(file, ":")
    labels = _labels(frames[0])
    for i, frame in enumerate(frames):
        if _labels(frame) != labels:
            raise ConfigError(
                f"{file}: frame {i} holds {len(frame)} ions, frame 0 {len(labels)}, or other species: every frame must "
                "hold the same ions in the same order; write them so"
            )
    for name, unit in (("time", 1.0), ("step", timestep)):
        if all(name in frame.info for frame in frames):
            marks = np.array([float(frame.info[name]) for frame in frames])
            _check_equidistant(marks, name, file)
            if interval is None and unit is not None and len(marks) > 1:
                interval = float(marks[1] - marks[0]) * unit
    if interval is None and len(frames) > 1:
        raise ConfigError(f"{file}: its frames carry no time [ps]; give the interval between frames")
    positions = np.array([frame.positions for frame in frames], dtype=np.float32)
    cells = np.array([frame.cell.array for frame in frames])
    return Trajectory(positions, labels if species is None else tuple(species), cells, interval or 1.0, str(file))


def _read_ase(file: Path, index: str) -> list[Atoms]:
    try:
        # Readers raise whatever they like, and warn about what does not matter here.
        frames = ase.io.read(file, index=index)
    except Exception as problem:
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise ConfigError(
            f"{file}: cannot be read ({reason}); expected .dcd, a LAMMPS text dump, or a format of ASE such as extxyz"
        ) from None
    frames = frames if isinstance(frames, list) else [frames]
    if not frames or len(frames[0]) == 0:
        raise ConfigError(f"{file}: holds no ions; expected at least one frame")
    return frames


def _labels(frame: Atoms) -> tuple[str, ...]:
    if "species" in frame.arrays:
        return tuple(str(label) for label in frame.arrays["species"])
    return tuple(frame.get_chemical_symbols())


def _check_equidistant(marks: "np.typing.NDArray[np.float64]", name: str, file: Path) -> None:
    """Refuse frames that are missing, doubled or out of order."""
    gaps = np.diff(marks)
    if len(gaps) == 0:
        return
    usual = float(np.median(gaps))
    wrong = (np.abs(gaps - usual) > _EQUAL * abs(usual)) | (gaps <= 0.0)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ConfigError(
            f"{file}: {name} {marks[i]:g} is followed by {marks[i + 1]:g}, where frames are {usual:g} apart: "
            "frames are missing or doubled; take a stretch without gaps"
        )
