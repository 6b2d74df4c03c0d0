"""`dopantfit reference import`: frames from CASTEP, VASP, Quantum ESPRESSO, CP2K or extended XYZ.

The readers are ASE's (for CP2K this package's own); what they do not look at is looked at here: whether the
run came to its end and every self-consistency converged. Nothing is written unless every file is sound.
"""

import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read as ase_read

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.cp2k_run import read_run
from dopantfit.reference.frames import (
    FRAMES_FILE,
    IDENTIFIER,
    append_frames,
    calculated,
    composition_of,
    frame_problems,
    load_set,
    read_frames,
)
from dopantfit.reference.known_frames import KnownFrames
from dopantfit.reference.manifest import load_manifest

Steps = Literal["first", "last", "all"]

#: A code's banner stands within this many characters from the start of its output.
HEAD = 20_000


@dataclass(frozen=True)
class Source:
    """One kind of output: how it is recognised, read, and known to be complete and converged.

    code: as the manifest's ``code`` names it. banner: found near the start.
    ase_format: name of ASE's reader. last_words: found only if the run came to its end.
    unconverged: the ionic steps of a text whose self-consistency did not converge.
    """

    code: str
    banner: re.Pattern[str]
    ase_format: str
    last_words: str
    unconverged: Callable[[str], list[int]]


@dataclass(frozen=True)
class Imported:
    """The frames that an import added to a set, and what the codes themselves warned of."""

    frames: tuple[Atoms, ...]
    remarks: tuple[str, ...]


def import_files(
    paths: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    family: str | None = None,
    steps: Steps = "last",
    temperature: float | None = None,
) -> Imported:
    """Append frames from the outputs in ``paths`` to the set in ``folder``; all or, on any error, none.

    family: of all these frames; needed unless extended XYZ carries its own.
    steps: which ionic steps of an output to take; extended XYZ is taken whole.
    temperature: of the trajectory [K]; default what extended XYZ carries, else 0 (relaxation, single point).
    Raises ReferenceDataError naming file and frame for an output that is truncated, not converged, without
    forces, of another code than the set's, or in the set already.
    """
    manifest = load_manifest(folder)
    known = KnownFrames(load_set(folder).frames if FRAMES_FILE in manifest.files else ())
    new: list[Atoms] = []
    remarks: list[str] = []
    for path in map(Path, paths):
        frames, said = read_output_file(path, steps, manifest.code)
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


def read_output_file(path: Path, steps: Steps, code: str) -> tuple[list[tuple[int, Atoms]], list[str]]:
    """Return the wanted frames of one file with their numbers, and what the code warned of.

    code: of the set; an output of another one is refused, its energies having another zero.
    """
    text = _text(path)
    source = next((source for source in SOURCES if source.banner.search(text[:HEAD])), None)
    name = "CP2K" if "CP2K|" in text[:HEAD] else source.code if source else None
    if name is None and not re.match(r"\s*\d+\s*\n", text):
        known = ", ".join([*dict.fromkeys(source.code for source in SOURCES), "CP2K"])
        raise ReferenceDataError(f"{path}: not recognised; expected an output of {known}, or extended XYZ")
    if name is not None and name.lower() not in code.lower():
        raise ReferenceDataError(
            f"{path}: is {name}'s, and the manifest says code = {code!r}; make a set of its own for each code"
        )
    if name is None:
        return list(enumerate(read_frames(path))), []
    if source is None or name == "CP2K":
        run = read_run(path)
        chosen = _chosen(list(run.steps), steps)
        for number, _ in chosen:
            if run.problems[number]:
                raise ReferenceDataError(f"{path}: frame {number}: {run.problems[number]}")
        return chosen, list(run.remarks)
    return _read_with_ase(path, text, source, steps)


def _read_with_ase(path: Path, text: str, source: Source, steps: Steps) -> tuple[list[tuple[int, Atoms]], list[str]]:
    if source.last_words not in text:
        raise ReferenceDataError(
            f"{path}: is truncated: {source.code} did not come to its end (no {source.last_words!r}); "
            f"let the run finish, or repeat it"
        )
    unconverged = source.unconverged(text)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            images = ase_read(path, index=":", format=source.ase_format)
        except Exception as problem:  # ASE raises whatever its parsing trips over
            images, reason = [], f" ({type(problem).__name__}: {problem})"
        else:
            reason = ""
    # A step that failed may leave no image, so the last step may lie beyond the last image.
    last = max([len(images) - 1, *unconverged])
    if unconverged and (steps == "all" or (0 if steps == "first" else last) in unconverged):
        raise ReferenceDataError(
            f"{path}: frame {unconverged[0]}: its self-consistency did not converge; "
            f"allow {source.code} more iterations and repeat it"
        )
    if not images:
        raise ReferenceDataError(f"{path}: ASE's reader found no frame in this {source.code} output{reason}")
    remarks = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
    return _chosen(images, steps), list(remarks)


def _chosen(images: list[Atoms], steps: Steps) -> list[tuple[int, Atoms]]:
    """Return the wanted images with their numbers, reduced to ions, cell, energy, forces and stress."""
    numbers = {"first": [0], "last": [len(images) - 1], "all": range(len(images))}[steps]
    return [(number, _bare(images[number])) for number in numbers]


def _bare(image: Atoms) -> Atoms:
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
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        raise ReferenceDataError(f"{path}: cannot be read ({problem.strerror})") from None
    if not text.strip():
        raise ReferenceDataError(f"{path}: is empty; repeat the calculation")
    return text


def _castep_unconverged(text: str) -> list[int]:
    record = text[text.rfind("Welcome to") :]
    steps = re.split(r"BFGS: (?:starting|improving) iteration|Starting MD iteration", record)
    return [k for k, step in enumerate(steps) if "not reached the groundstate" in step]


def _outcar_unconverged(text: str) -> list[int]:
    # VASP 5 says nothing when it runs out of electronic steps, so the good news is what is looked for.
    steps = text.split("FREE ENERGIE OF THE ION-ELECTRON SYSTEM")[:-1]
    return [k for k, step in enumerate(steps) if "aborting loop because EDIFF is reached" not in step]


def _vasprun_unconverged(text: str) -> list[int]:
    # The file does not say; a step that used all NELM iterations ran out of them.
    limit = re.search(r'name="NELM"[^>]*>\s*(\d+)', text)
    steps = text.split("<calculation>")[1:]
    return [k for k, step in enumerate(steps) if limit and step.count("<scstep>") >= int(limit[1])]


def _espresso_unconverged(text: str) -> list[int]:
    failures = [match.start() for match in re.finditer("convergence NOT achieved", text)]
    energies = [match.start() for match in re.finditer(r"^!\s+total energy", text, re.MULTILINE)]
    return [sum(energy < failure for energy in energies) for failure in failures]


SOURCES = (
    Source(
        "CASTEP",
        re.compile(r"Welcome to .*CASTEP|Materials Studio CASTEP"),
        "castep-castep",
        "Finalisation time",
        _castep_unconverged,
    ),
    Source("VASP", re.compile(r"<modeling>"), "vasp-xml", "</modeling>", _vasprun_unconverged),
    Source(
        "VASP",
        re.compile(r"\A\s*vasp\.\d"),
        "vasp-out",
        "General timing and accounting",
        _outcar_unconverged,
    ),
    Source(
        "Quantum ESPRESSO",
        re.compile(r"Program PWSCF"),
        "espresso-out",
        "JOB DONE.",
        _espresso_unconverged,
    ),
)
