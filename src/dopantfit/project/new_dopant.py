"""``dopantfit new`` as a Python function: the files of a dopant, all of them or none."""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dopantfit.errors import ConfigError
from dopantfit.fit.config import FIT_FILE, load_config
from dopantfit.fit.variables import make_space
from dopantfit.potential import Potential, library_names
from dopantfit.project.compound import SimpleCompound, simple_compound
from dopantfit.project.fit_texts import fit_text, study_text, validate_text
from dopantfit.project.plan_texts import (
    CODES,
    COMPOUND_FILE,
    compound_plan,
    host_plan,
    manifest_text,
    pseudopotentials,
)
from dopantfit.project.request import DopantRequest, make_request
from dopantfit.project.start import start_potential
from dopantfit.reference.frames import composition_of, dump_frames
from dopantfit.reference.manifest import MANIFEST_FILE, load_manifest
from dopantfit.reference.plan import PLAN_FILE, load_plan
from dopantfit.reference.run import core_seconds
from dopantfit.structures.hosts import host_names
from dopantfit.study.config import STUDY_FILE, load_study
from dopantfit.validate.settings import SETTINGS_FILE, load_settings
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.provenance import write_text_atomic

START_FILE = "start.toml"


@dataclass(frozen=True)
class Command:
    """A command to come, and what it costs, in words."""

    text: str
    cost: str


@dataclass(frozen=True)
class NewDopant:
    """What was written: files by folder, and the commands to come. compound: where its crystal comes from."""

    fit: Path
    files: tuple[Path, ...]
    compound: str
    commands: tuple[Command, ...]

    def as_dict(self) -> dict[str, object]:
        """Ready for JSON."""
        return {
            "fit": str(self.fit),
            "files": [str(file) for file in self.files],
            "compound": self.compound,
            "commands": [{"command": one.text, "cost": one.cost} for one in self.commands],
        }


def new(
    dopant: str,
    *,
    charge: int,
    like: str,
    host: str = "latp",
    potential: str | None = None,
    structure: str | Path | None = None,
    code: str = "cp2k",
    root: str | Path = ".",
) -> NewDopant:
    """Write everything that a new dopant needs before its frames are computed: two reference sets and a fit's folder.

    dopant: its element. charge: its formal charge [e]. like: the cation of the host whose pairs it starts from. host: a
    name of the library or a file. potential: the host's force field. structure: of the simple compound. code: that
    computes the frames. root: the folder with ``reference_dft`` and ``fits``.
    Raises ConfigError, one line, and then writes nothing.
    """
    if code not in CODES:
        raise ConfigError(f"--code {code}: expected one of {', '.join(CODES)}")
    request = make_request(dopant, charge, like, host, potential, structure, root)
    start, compound = start_potential(request), simple_compound(request)
    folders = _Folders.of(request)
    texts = _texts(request, compound, start, folders, code)
    files = write_together(
        texts, (folders.host, folders.compound, folders.fit), lambda found: _check(request, found, folders)
    )
    ions = {
        folders.host: {cell.name: cell.ions for cell in request.cells},
        folders.compound: {"": compound.computed_ions},
    }
    return NewDopant(folders.fit, files, compound.source, _commands(folders, ions, code))


@dataclass(frozen=True)
class _Folders:
    """Where the files go."""

    host: Path
    compound: Path
    fit: Path

    @classmethod
    def of(cls, request: DopantRequest) -> "_Folders":
        sets, dopant = request.root / "reference_dft", request.dopant
        return cls(sets / f"{dopant}-{request.host.name}", sets / f"{dopant}-compound", request.root / "fits" / dopant)


def _texts(
    request: DopantRequest, compound: SimpleCompound, start: Potential, folders: _Folders, code: str
) -> dict[Path, str]:
    """Every file by its path."""
    start_there = os.path.relpath(folders.fit / START_FILE, folders.host)
    crystal = os.path.relpath(folders.compound / COMPOUND_FILE, folders.fit)
    sets = {
        os.path.relpath(folders.host, folders.fit): (f"relax-{request.cells[-1].name}",),
        os.path.relpath(folders.compound, folders.fit): ("strains",),
    }
    force_field = _named_in(folders.fit, request.potential_name, library_names())
    host_there, host_here = (
        _named_in(folder, request.host_name, host_names()) for folder in (folders.host, folders.fit)
    )
    texts = {
        folders.host / PLAN_FILE: host_plan(request, folders.host.name, start_there, host_there),
        folders.compound / PLAN_FILE: compound_plan(request, compound, folders.compound.name),
        folders.fit / FIT_FILE: fit_text(request, start, sets, force_field, compound),
        folders.fit / START_FILE: start.dumps(),
        folders.fit / SETTINGS_FILE: validate_text(request, compound, crystal, host_here),
        folders.fit / STUDY_FILE: study_text(request, host_here),
    }
    if compound.prototype is None:
        texts[folders.compound / COMPOUND_FILE] = _crystal_text(compound)
    elements = {folders.host: {*request.host.charges, request.dopant}, folders.compound: {*compound.atoms.symbols}}
    for folder, held in elements.items():
        purpose = f"Frames for the fit of {request.dopant} in {request.host.name}"
        if code != "cp2k":  # which is run here, and whose manifest comes with its first frame
            texts[folder / MANIFEST_FILE] = manifest_text(folder.name, purpose, code, held)
        else:
            pseudopotentials(code, sorted(held))
    return texts


def _named_in(folder: Path, name: str, library: Iterable[str]) -> str:
    """How a file of `folder` names what is a library entry, or else a path from here."""
    return name if name in library else os.path.relpath(name, folder)


def _crystal_text(compound: SimpleCompound) -> str:
    atoms = compound.atoms.copy()
    atoms.calc = None
    atoms.info = {"composition": composition_of(atoms), "origin": compound.source}
    return dump_frames([atoms])


def _check(request: DopantRequest, folders: Mapping[Path, Path], where: _Folders) -> None:
    """Read everything as the steps to come will. folders: where the files of each folder are for now."""
    config, file = load_config(folders[where.fit])
    make_space(config, request.potential, str(file))
    load_settings(folders[where.fit])
    load_study(folders[where.fit])
    for folder in (folders[where.host], folders[where.compound]):
        load_plan(folder)
        if (folder / MANIFEST_FILE).is_file():
            load_manifest(folder)


def write_together(
    texts: Mapping[Path, str], folders: Iterable[Path], check: Callable[[Mapping[Path, Path]], None]
) -> tuple[Path, ...]:
    """Make new folders with these files, all or none.

    check: looks at them before they are moved to their places, given where each folder is until then.
    Raises ConfigError where a folder is there already, or cannot be made, and what `check` raises.
    """
    folders = tuple(folders)
    for folder in folders:
        if folder.exists():
            raise ConfigError(f"{folder}: is there already; nothing was written: rename or remove it, or take --into")
    made: list[Path] = []
    beside = {folder: folder.with_name(f".{folder.name}.new") for folder in folders}
    try:
        for folder, new_folder in beside.items():
            shutil.rmtree(new_folder, ignore_errors=True)
            make_folder(new_folder)
            for file in (file for file in texts if file.parent == folder):
                write_text_atomic(new_folder / file.name, texts[file])
        check(beside)
        for folder, new_folder in beside.items():
            os.rename(new_folder, folder)
            made.append(folder)
    except BaseException as problem:
        _take_back([*made, *beside.values()])
        if isinstance(problem, OSError):
            raise ConfigError(f"{problem.filename}: {problem.strerror}; nothing was written") from None
        raise
    return tuple(texts)


def _take_back(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


#: What the later steps took for Mg, 56 + 21 frames and the preset `quick`, on two cores.
_LATER: tuple[tuple[str, str], ...] = (
    ("dopantfit check {fit}", "seconds"),
    ("dopantfit fit {fit}", "about 2 minutes on two cores, as for the 77 frames of Mg"),
    ("dopantfit validate {fit}", "about 5 minutes on two cores"),
    ("dopantfit run {fit}", "fit, gates and study; that of Mg with the preset quick took 21 minutes of a core"),
)


def _commands(folders: _Folders, ions: Mapping[Path, Mapping[str, int]], code: str) -> tuple[Command, ...]:
    """What to do next, in order. ions: of the cells of each set, by what the names of its items end with."""
    written: list[Command] = []
    for folder, sizes in ions.items():
        plan = load_plan(folder)
        frames = sum(item.count for item in plan.configurations)
        if code == "cp2k":
            seconds = sum(
                item.count * core_seconds(size)
                for item in plan.configurations
                for name, size in sizes.items()
                if not name or item.name.partition("-")[2] == name
            )
            cost = f"{frames} frames, about {seconds / 3600:.1f} core-hours of CP2K"
            written.append(Command(f"dopantfit reference run {folder} --jobs 2", cost))
            continue
        outputs = Path("runs") / f"{plan.set}-{code}"
        written.append(Command(f"dopantfit reference run {folder} --write-only {code}", f"{frames} frames at most"))
        written.append(Command(f"dopantfit reference import {outputs} --set {folder}", "seconds, once they have run"))
    return (*written, *(Command(text.format(fit=folders.fit), cost) for text, cost in _LATER))
