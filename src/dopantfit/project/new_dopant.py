"""``dopantfit new`` as a Python function: the files of a dopant, all of them or none."""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dopantfit.errors import ConfigError
from dopantfit.fit.config import FIT_FILE, load_config
from dopantfit.fit.variables import make_space
from dopantfit.potential import Potential
from dopantfit.project.commands import Command, commands
from dopantfit.project.compound import SimpleCompound, simple_compound
from dopantfit.project.fit_texts import fit_text, study_text, validate_text
from dopantfit.project.plan_texts import COMPOUND_FILE
from dopantfit.project.planned_sets import START_FILE, PlannedSet, host_potential, named_in, planned_sets
from dopantfit.project.request import DopantRequest, make_request
from dopantfit.project.start import start_potential
from dopantfit.reference.calculator import CalculatorSettings
from dopantfit.reference.manifest import MANIFEST_FILE, load_manifest
from dopantfit.reference.plan import load_plan
from dopantfit.reference.pseudopotentials import CODES
from dopantfit.structures.hosts import host_names
from dopantfit.study.config import STUDY_FILE, load_study
from dopantfit.validate.settings import SETTINGS_FILE, load_settings
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.provenance import write_text_atomic


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
    calculator: CalculatorSettings | None = None,
    pseudopotentials: Mapping[str, str] | None = None,
    root: str | Path = ".",
) -> NewDopant:
    """Write everything that a new dopant needs before its frames are computed: reference sets and a fit's folder.

    dopant: its element. charge: its formal charge [e]. like: the cation of the host whose pairs it starts from. host: a
    name of the library or a file. potential: the host's force field. structure: of the simple compound. code: that
    computes the frames. calculator: that labels them in its place, and then `code` computes a few to judge the labels.
    pseudopotentials: by element, as the code calls them, where those known here are not meant or there is none.
    root: the folder with ``reference_dft`` and ``fits``.
    Raises ConfigError, one line, and then writes nothing.
    """
    if code not in CODES:
        raise ConfigError(f"--code {code}: expected one of {', '.join(CODES)}")
    request = make_request(dopant, charge, like, host, potential, structure, root)
    start, _ = start_potential(request), request.cells  # a charge that no host cell can balance needs no compound
    compound = simple_compound(request)
    fit = request.root / "fits" / request.dopant
    sets = planned_sets(request, compound, fit, calculator)
    texts = _fit_texts(request, compound, start, sets, fit)
    named = _checked_names(pseudopotentials or {}, code, sets)
    for one in sets:
        texts |= one.texts(request, code, named)
    folders = [one.folder for one in sets]
    files = write_together(texts, (*folders, fit), lambda found: _check(request, found, folders, fit))
    return NewDopant(fit, files, compound.source, commands(sets, fit, code))


def _checked_names(named: Mapping[str, str], code: str, sets: Sequence[PlannedSet]) -> Mapping[str, str]:
    """Return the pseudopotentials that are named; ConfigError where they would name nothing."""
    elements = {element for one in sets if one.is_of_dft for element in one.elements}
    if named and code == "cp2k":
        raise ConfigError("--pseudopotential: those of CP2K are in its table; leave it out, or take another --code")
    for element in named.keys() - elements:
        held = ", ".join(sorted(elements)) or "none, the calculator labels them all"
        raise ConfigError(f"--pseudopotential {element}: no set of DFT holds {element}; they hold {held}")
    return named


def _fit_texts(
    request: DopantRequest, compound: SimpleCompound, start: Potential, sets: Sequence[PlannedSet], fit: Path
) -> dict[Path, str]:
    """Every file of the fit's folder by its path."""
    fitted = {os.path.relpath(one.folder, fit): one for one in sets if not one.is_judge}
    held_out = {path: one.held_out for path, one in fitted.items()}
    exchanges = {path: one.exchanges_held_out for path, one in fitted.items() if one.exchanges_held_out is not None}
    crystal = next((one.folder / COMPOUND_FILE for one in sets if COMPOUND_FILE in one.files), fit)
    host = named_in(fit, request.host_name, host_names())
    return {
        fit / FIT_FILE: fit_text(request, start, held_out, exchanges, host_potential(request, fit), compound),
        fit / START_FILE: start.dumps(),
        fit / SETTINGS_FILE: validate_text(request, compound, os.path.relpath(crystal, fit), host, tuple(exchanges)),
        fit / STUDY_FILE: study_text(request, host),
    }


def _check(request: DopantRequest, found: Mapping[Path, Path], sets: Iterable[Path], fit: Path) -> None:
    """Read everything as the steps to come will. found: where the files of each folder are for now."""
    config, file = load_config(found[fit])
    make_space(config, request.potential, str(file))
    load_settings(found[fit])
    load_study(found[fit])
    for folder in sets:
        load_plan(found[folder])
        if (found[folder] / MANIFEST_FILE).is_file():
            load_manifest(found[folder])


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
