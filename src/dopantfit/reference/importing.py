"""`dopantfit reference import`: frames from CASTEP, VASP, Quantum ESPRESSO, CP2K or extended XYZ.

Each reader gives the ionic steps of an output with what speaks against each (`ionic_steps`). Nothing is written
unless every file is sound and every chosen step can be a frame.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit.errors import ReferenceDataError
from dopantfit.reference import castep_output, espresso_output, outcar, vasprun
from dopantfit.reference.cp2k_run import read_run
from dopantfit.reference.extxyz_keys import ResultKeys, read_named
from dopantfit.reference.frames import (
    FRAMES_FILE,
    IDENTIFIER,
    append_frames,
    calculated,
    composition_of,
    frame_problems,
    load_set,
)
from dopantfit.reference.ionic_steps import Output, StepChoice, wanted_frames
from dopantfit.reference.known_frames import KnownFrames
from dopantfit.reference.manifest import Manifest, load_manifest
from dopantfit.reference.settings_said import HEAD as HEAD_OF_SETTINGS
from dopantfit.reference.settings_said import contradictions
from dopantfit.reference.text_files import file_text
from dopantfit.reference.written_job import CONFIGURATION_FILE, NONE, job_beside
from dopantfit.workflow.compressed import plain_name

#: A code's banner stands within this many characters from the start of its output.
HEAD = 20_000
_XYZ = "extended XYZ"


@dataclass(frozen=True)
class Source:
    """One kind of output: the code as the manifest names it, what is found near the start, and the reader."""

    code: str
    banner: re.Pattern[str]
    read: Callable[[str, str], Output]


VASPRUN = Source("VASP", vasprun.BANNER, vasprun.read_vasprun)
SOURCES = (
    Source("CASTEP", castep_output.BANNER, castep_output.read_castep),
    VASPRUN,
    Source("VASP", outcar.BANNER, outcar.read_outcar),
    Source("Quantum ESPRESSO", espresso_output.BANNER, espresso_output.read_espresso),
)


@dataclass(frozen=True)
class Imported:
    """The frames that an import added to a set, with a line for what was left out and what the codes warned of."""

    frames: tuple[Atoms, ...]
    remarks: tuple[str, ...]


def import_files(
    paths: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    family: str | None = None,
    steps: StepChoice | str | None = None,
    temperature: float | None = None,
    keys: ResultKeys | None = None,
) -> Imported:
    """Append frames from the outputs in ``paths`` to the set in ``folder``; all or, on any error, none.

    paths: files, compressed or not, and folders, of which every output is taken (`outputs_in`).
    family: of all these frames; needed unless extended XYZ carries its own.
    steps: which ionic steps of each output to take, the last one by default and all of a relaxation that ``reference
    run --write-only`` has written; extended XYZ is taken whole.
    keys: the names of energy, forces and stress in extended XYZ, where they are not those.
    temperature: of the trajectory [K]; default what extended XYZ carries, else 0 (relaxation, single point).
    Raises ReferenceDataError naming file and frame for an output that is truncated, not converged, without
    forces, of another code than the set's, or in the set already.
    """
    manifest = load_manifest(folder)
    known = KnownFrames(load_set(folder).frames if FRAMES_FILE in manifest.files else ())
    new: list[Atoms] = []
    choice = steps if isinstance(steps, StepChoice) else StepChoice(steps)
    files, remarks = _files(list(map(Path, paths)))
    for path in files:
        _refuse_other_settings(path, manifest)
        frames, said = read_output_file(path, choice, manifest.code, keys)
        remarks += [f"{path}: {line}" for line in said]
        for number, frame in frames:
            described = _described(frame, path, number, family, temperature, known)
            _refuse_bad(described, path, number)
            if (name := known.same_as(described)) is not None:
                raise ReferenceDataError(f"{path}: frame {number}: is in the set already, as {name}")
            known.add(described)
            new.append(described)
    append_frames(folder, new)
    return Imported(tuple(new), tuple(remarks))


def _refuse_other_settings(path: Path, manifest: Manifest) -> None:
    """Raise ReferenceDataError for an output that says itself that it was made with other settings than the set.

    A check that does not join the set may have settings of its own.
    """
    head = _head(path, HEAD_OF_SETTINGS)
    code = _recognised(head[:HEAD])[0]
    job = job_beside(path) if code not in (None, _XYZ) else None
    if code is None or (job is not None and job.collected == NONE):
        return
    for what in contradictions(head, code, manifest, path):
        raise ReferenceDataError(
            f"{path}: {what}; frames of two settings do not mix: mend the manifest, or make a set of its own"
        )


def read_output_file(
    path: Path, choice: StepChoice, code: str, keys: ResultKeys | None = None
) -> tuple[list[tuple[int, Atoms]], list[str]]:
    """Return the wanted frames of one file with their numbers, and what is to be said of the others.

    code: of the set; an output of another one is refused, its energies having another zero.
    """
    text = _text(path)
    name, source = _recognised(text[:HEAD])
    if name is None:
        known = ", ".join([*dict.fromkeys(source.code for source in SOURCES), "CP2K"])
        raise ReferenceDataError(f"{path}: not recognised; expected an output of {known}, or extended XYZ")
    if name != _XYZ and name.lower() not in code.lower():
        raise ReferenceDataError(
            f"{path}: is {name}'s, and the manifest says code = {code!r}; make a set of its own for each code"
        )
    if name == _XYZ:
        named, said = read_named(path, keys or ResultKeys())
        return list(enumerate(named)), said
    if keys not in (None, ResultKeys()):
        raise ReferenceDataError(f"{path}: is {name}'s; keys are named for extended XYZ only, import it by itself")
    output = source.read(text, str(path)) if source else read_run(path)
    job = job_beside(path)
    if job is not None and job.collected == NONE:
        return [], [f"left aside: the plan computes {job.atoms.info['frame_id']} as a check that does not join the set"]
    chosen = choice.with_default(job.choice if job is not None else "last")
    frames, remarks = wanted_frames(output, chosen, str(path))
    bare = [(number, _bare(frame)) for number, frame in frames]
    if job is not None:
        ended = bool(bare) and bare[-1][0] == len(output.steps) - 1 and not output.cut
        bare = job.named(bare, path, ended)
    return bare, remarks


def outputs_in(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the outputs and extended XYZ files below a folder, and a line for each that is left aside.

    Left aside are an OUTCAR beside a vasprun.xml, which holds the same run with more decimals, and a compressed
    copy beside the file itself. Raises ReferenceDataError when there is no output.
    """
    found: dict[Path, Source | None] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        head = _head(path)
        name, source = _recognised(head)
        # Other XYZ files lie beside outputs, such as the trajectory of CP2K.
        if path.name != CONFIGURATION_FILE and name is not None and (name != _XYZ or "Lattice=" in head):
            found[path] = source
    if not found:
        raise ReferenceDataError(f"{folder}: holds no output that is read; name the files")
    twins = {path: twin for path in found if (twin := _twin(path, found)) is not None}
    remarks = [f"{path}: left aside for {twin.name} beside it" for path, twin in twins.items()]
    return [path for path in found if path not in twins], remarks


def _twin(path: Path, found: Mapping[Path, Source | None]) -> Path | None:
    """Return the file beside ``path`` that holds the same run and is taken in its place."""
    source = found[path]
    for other in found:
        unpacked = other.name == plain_name(path) != path.name
        xml = found[other] is VASPRUN and source is not None and source.banner is outcar.BANNER
        if other.parent == path.parent and (unpacked or xml):
            return other
    return None


def _files(paths: list[Path]) -> tuple[list[Path], list[str]]:
    files: list[Path] = []
    remarks: list[str] = []
    for path in paths:
        if path.is_dir():
            inside, said = outputs_in(path)
            files += inside
            remarks += [f"{path}: {len(inside)} outputs were found in this folder", *said]
        else:
            files.append(path)
    return files, remarks


def _recognised(head: str) -> tuple[str | None, Source | None]:
    """Return whose output begins so; the reader is that of its source, and for CP2K and extended XYZ another."""
    if "CP2K|" in head:
        return "CP2K", None
    source = next((source for source in SOURCES if source.banner.search(head)), None)
    if source is not None:
        return source.code, source
    return (_XYZ if re.match(r"\s*\d+\s*\n", head) else None), None


def _bare(image: Atoms) -> Atoms:
    """Return a step reduced to ions, cell, energy, forces and stress."""
    frame = Atoms(image.symbols, positions=image.positions, cell=image.cell, pbc=True)
    kept = {key: value for key, value in calculated(image).items() if key in ("energy", "forces", "stress")}
    frame.calc = SinglePointCalculator(frame, **kept)
    return frame


def _described(
    frame: Atoms,
    path: Path,
    number: int,
    family: str | None,
    temperature: float | None,
    known: KnownFrames,
) -> Atoms:
    """Return the frame with the info that a set needs; what extended XYZ carried stays unless given anew."""
    described = frame.copy()
    described.calc = frame.calc
    info = described.info
    info["composition"] = composition_of(frame)
    if family is not None:
        info["family"] = family
        if not IDENTIFIER.match(family):
            raise ReferenceDataError(
                f"--family {family!r} must start with a letter and hold letters, digits and _ . + - only"
            )
    if "family" not in info:
        raise ReferenceDataError(f"{path}: frame {number}: belongs to no family; give one with --family")
    if temperature is not None:
        info["temperature"] = float(temperature)
    info.setdefault("temperature", 0.0)
    info.setdefault("strain", 0.0)
    if not isinstance(info.get("origin"), str):
        info["origin"] = "file " + "/".join(path.resolve().parts[-2:])
    own = info.get("frame_id")
    if not isinstance(own, str) or not IDENTIFIER.match(own) or known.has_name(own):
        info["frame_id"] = known.next_name(str(info["family"]))
    return described


def _refuse_bad(frame: Atoms, path: Path, number: int) -> None:
    problems = frame_problems(frame)
    if not frame.info.get("scf_converged", True):
        problems.append("its self-consistency did not converge")
    if problems:
        raise ReferenceDataError(f"{path}: frame {number}: {problems[0]}; repeat the calculation or leave it out")


def _text(path: Path) -> str:
    text = file_text(path)
    if not text.strip():
        raise ReferenceDataError(f"{path}: is empty; repeat the calculation")
    return text


def _head(path: Path, characters: int = HEAD) -> str:
    """Return the beginning of a file of a folder; of one that cannot be read, nothing."""
    try:
        return file_text(path, characters)
    except ReferenceDataError:
        return ""
