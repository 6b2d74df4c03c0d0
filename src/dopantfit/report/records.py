"""What a report is made from: the records of a study, a fit and a validation, checked while they are read."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from dopantfit.errors import ConfigError
from dopantfit.report.needed import lacking
from dopantfit.study.files import CAPTION, TABLE, Cell
from dopantfit.workflow.provenance import sha256_of

STUDY, SUMMARY, KEPT = "study.json", "summary", "study"
#: Rules of the verdict that captions keep to.
RULES = ("equilibration", "structures", "attempts_per_dopant")
FIT, VALIDATION, POTENTIAL = "fit.json", "validation.json", "potential.toml"


class Seen(BaseModel):
    """A part of a record: exact types; keys that a report does not need are left alone."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Range(Seen):
    """A 95 % interval; None for an end at infinity, and for the value where only a bound is known."""

    value: float | None
    low: float | None
    high: float | None


class Check(Seen):
    """One quantity held against one number."""

    quantity: str
    unit: str
    interval: Range
    rule: str
    answer: str
    reason: str


class Requirement(Seen):
    """One of the three requirements for one composition."""

    name: str
    answer: str
    checks: tuple[Check, ...]


class Composition(Seen):
    """The answer for one composition."""

    answer: str
    requirements: tuple[Requirement, ...]


class Verdict(Seen):
    """The answer to the study's question."""

    answer: str
    rule: str
    requirements: dict[str, str]
    compositions: dict[str, Composition]


class Done(Seen):
    """A finished task: hashes of its files, and what it cost."""

    digest: str
    files: dict[str, str]
    measured: dict[str, float]


class Provenance(Seen):
    """What was run, with what, from what."""

    inputs: dict[str, str]
    versions: dict[str, str]
    seed: int | None
    configuration: dict[str, Any]
    started: str
    wall_seconds: float


class StudyFile(Seen):
    """``study.json``."""

    verdict: Verdict | None
    gates: dict[str, Any]
    tasks: dict[str, Done]
    failed: dict[str, str]
    skipped: dict[str, str]
    record: Provenance


class ItemFile(Seen):
    """``item.json``: what the table beside it holds."""

    title: str
    columns: dict[str, str]
    facts: dict[str, Any]
    missing: tuple[str, ...]


class Parameter(Seen):
    """One free parameter of a fit."""

    name: str
    unit: str
    start: float
    value: float
    standard_error: float | None
    bounds: tuple[float, float]
    scale: str
    at_bound: bool
    identified: bool


class FitFile(Seen):
    """``fit.json``."""

    name: str
    parameters: tuple[Parameter, ...]
    objective: dict[str, float | None]
    errors: dict[str, dict[str, Any]]
    compared: dict[str, str]
    turn_over: dict[str, dict[str, float]]
    budget: tuple[dict[str, Any], ...] = ()
    frames: dict[str, tuple[str, ...]]
    record: Provenance


class GateCheck(Seen):
    """One number of a gate."""

    name: str
    value: float | None
    error: float | None
    unit: str
    low: float | None
    high: float | None
    reason: str
    passed: bool
    decided: bool


class Gate(Seen):
    """One gate of a validation."""

    name: str
    finding: str
    passed: bool
    problem: str | None
    checks: tuple[GateCheck, ...]
    figures: tuple[str, ...]


class ValidationFile(Seen):
    """``validation.json``."""

    name: str
    level: str
    passed: bool
    potential: dict[str, str]
    gates: tuple[Gate, ...]
    record: Provenance


@dataclass(frozen=True)
class Item:
    """One result of a study: its table (columns: name -> unit) and the facts of its caption."""

    name: str
    title: str
    columns: Mapping[str, str]
    rows: Sequence[Mapping[str, Cell]]
    facts: Mapping[str, Any]
    missing: Sequence[str]
    folder: Path


@dataclass(frozen=True)
class Study:
    """A study as it stands, read from its summary. folder: holds a folder for each task that a report reads."""

    folder: Path
    file: StudyFile
    items: Mapping[str, Item]

    @property
    def dopant(self) -> str:
        """Label of the dopant."""
        return str(self.file.record.configuration["dopant"])

    @property
    def compositions(self) -> Mapping[str, float]:
        """Number i of GB_i, C_i and A_i, and its concentration [at%]."""
        found = self.file.record.configuration["doping"]["concentrations"]
        return {str(i): float(value) for i, value in enumerate(found, 1)}

    @property
    def rules(self) -> Mapping[str, float]:
        """Numbers behind the verdict, by name."""
        found: Mapping[str, float] = self.file.record.configuration["rules"]
        return found

    def ions(self, task: str) -> int | None:
        """How many ions a task worked with, where it said so."""
        done = self.file.tasks.get(task)
        count = done.measured.get("ions") if done else None
        return None if count is None else round(count)

    def file_of(self, task: str, name: str) -> Path | None:
        """Path of a file that a task wrote; None where the summary does not hold it.

        Raises ConfigError when it is not what the task wrote.
        """
        done = self.file.tasks.get(task)
        path = self.folder / task / name
        if done is None or name not in done.files or not path.is_file():
            return None
        if sha256_of(path) != done.files[name]:
            raise ConfigError(f"{path}: is not what the study wrote; run `dopantfit study` again")
        return path

    def table_of(self, task: str, name: str) -> list[dict[str, Cell]]:
        """A table that a task wrote; empty where the summary does not hold it."""
        path = self.file_of(task, name)
        return [] if path is None else read_table(path)

    def why_missing(self, item: str) -> str:
        """Why a result is not there."""
        task = f"items/{item}"
        if task in self.file.failed:
            return f"its task failed: {self.file.failed[task]}"
        if task in self.file.skipped:
            need = self.file.skipped[task]
            while need in self.file.skipped:
                need = self.file.skipped[need]
            reason = self.file.failed.get(need)
            return f"{need} failed: {reason}" if reason else f"for want of {need}"
        return "the study has no such result"


@dataclass(frozen=True)
class Sources:
    """Everything that was found. notes: what a reader must know about how the parts belong together."""

    folder: Path
    study: Study | None
    fit: FitFile | None
    validation: ValidationFile | None
    notes: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def validation_folder(self) -> Path | None:
        """Folder of the gates' figures, which has the name of their record."""
        path = next((path for name, path in self.files.items() if name.startswith("validation")), None)
        return None if path is None else path.with_suffix("")


Model = TypeVar("Model", bound=Seen)


def read_model(path: Path, model: type[Model]) -> Model:
    """Return a JSON record; ConfigError naming file and place where it is not whole."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read ({reason}); run the step that writes it again") from None
    try:
        return model.model_validate_json(text)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        what = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{path}: {where}: {what}; run the step that writes it again") from None


def read_sources(folder: Path, fit_folder: Path | None = None) -> Sources:
    """Read what is in `folder`: a study, its summary, or a fit with the study that was kept with it.

    fit_folder: where fit.json and validation.json lie; without it they are looked for in `folder`, beside it, and in
    ``fits``, and taken where their potential is the study's. Raises ConfigError when there is no record at all, one is
    not whole, or `fit_folder` has none.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; name the run folder of a study, or the folder of a fit")
    study = read_study(folder)
    places = [fit_folder] if fit_folder else [folder]
    if study and not fit_folder:
        places += [folder.parent, *sorted(path for path in Path("fits").glob("*") if path.is_dir())]
    wanted = study.file.record.inputs.get("potential") if study and not fit_folder else None
    fit_path = _fit_in(places, wanted)
    gates_path = _gates_in(places, wanted)
    if fit_folder and fit_path is None and gates_path is None:
        raise ConfigError(f"{fit_folder}: has neither {FIT} nor {VALIDATION}; run `dopantfit fit {fit_folder}` first")
    if study is None and fit_path is None and gates_path is None:
        raise ConfigError(
            f"{folder}: has no {STUDY}, {FIT} or {VALIDATION}; name the run folder of a study, such as "
            "runs/study-Mg-quick, or run `dopantfit study` first"
        )
    fit = None if fit_path is None else read_model(fit_path, FitFile)
    gates = None if gates_path is None else read_model(gates_path, ValidationFile)
    files = {STUDY: study.folder / STUDY} if study else {}
    files |= {path.name: path for path in (fit_path, gates_path) if path is not None}
    return Sources(folder, study, fit, gates, _notes(study, fit_path, gates), files)


def _fit_in(places: Sequence[Path], wanted: str | None) -> Path | None:
    """The first fit.json whose potential has the hash `wanted` (any, for None)."""
    for place in places:
        if (place / FIT).is_file() and wanted in (None, potential_hash(place)):
            return place / FIT
    return None


def _gates_in(places: Sequence[Path], wanted: str | None) -> Path | None:
    """The first validation of the potential with the hash `wanted`; of a folder's own for None."""
    if wanted is None:
        return next((place / VALIDATION for place in places if (place / VALIDATION).is_file()), None)
    for place in places:
        for path in sorted(place.glob("validation*.json")):
            if read_model(path, ValidationFile).potential.get("sha256") == wanted:
                return path
    return None


def potential_hash(folder: Path) -> str | None:
    """SHA-256 of the potential in a folder; None when there is none."""
    path = folder / POTENTIAL
    return sha256_of(path) if path.is_file() else None


def _notes(study: Study | None, fit_path: Path | None, gates: ValidationFile | None) -> tuple[str, ...]:
    """What does not belong together."""
    used = study.file.record.inputs.get("potential") if study else None
    fitted = None if fit_path is None else potential_hash(fit_path.parent)
    notes = []
    if study and fit_path and fitted != used:
        notes.append("The fit shown here made another potential than the one that the study used.")
    if gates and gates.potential.get("sha256") != (used if study else fitted):
        notes.append("The gates shown here were held against another potential, or an earlier one.")
    return tuple(notes)


def read_study(folder: Path) -> Study | None:
    """Return the study of a run folder, a summary, or a fit that one was kept with; None when there is none.

    Raises ConfigError when it is not whole.
    """
    summary = next((place for place in (folder / SUMMARY, folder, folder / KEPT) if (place / STUDY).is_file()), None)
    if summary is None:
        return None
    file = read_model(summary / STUDY, StudyFile)
    config = file.record.configuration
    known = {*config, *(f"rules.{key}" for key in config.get("rules") or ())}
    for key in ("dopant", "doping", *(f"rules.{key}" for key in RULES)):
        if key not in known:
            raise ConfigError(f"{summary / STUDY}: record.configuration.{key} is missing; run `dopantfit study` again")
    names = [task.rpartition("/")[2] for task in file.tasks if task.startswith("items/")]
    items = {
        name: read_item(summary / "items" / name, name, file.tasks[f"items/{name}"].files) for name in sorted(names)
    }
    return Study(summary, file, items)


def read_item(folder: Path, name: str, hashes: Mapping[str, str]) -> Item:
    """Return one result; ConfigError when a file is missing, changed since it was written, or cut off."""
    for file in sorted({TABLE, CAPTION, *hashes}):
        path = folder / file
        if not path.is_file():
            raise ConfigError(f"{path}: is missing; run `dopantfit study` again")
        if hashes.get(file) != sha256_of(path):
            raise ConfigError(
                f"{path}: is not what the study wrote (truncated or changed); run `dopantfit study` again"
            )
    about = read_model(folder / CAPTION, ItemFile)
    if lack := lacking(name, about.columns, about.facts):
        raise ConfigError(f"{folder}: no {lack}, an older version wrote it; run `dopantfit study` (and --keep) again")
    rows = read_table(folder / TABLE, tuple(about.columns))
    return Item(name, about.title, about.columns, rows, about.facts, about.missing, folder)


def read_table(path: Path, columns: tuple[str, ...] = ()) -> list[dict[str, Cell]]:
    """Return a CSV table; ConfigError when its first line is not `columns` (if given) or a line is ragged."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    if not lines or (columns and tuple(lines[0]) != columns):
        raise ConfigError(f"{path}: its first line is not {','.join(columns)}; run `dopantfit study` again")
    names = lines[0]
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(names):
            raise ConfigError(f"{path}: line {number} has {len(line)} values for {len(names)} columns")
    return [{name: _cell(text) for name, text in zip(names, line, strict=True)} for line in lines[1:]]


def _cell(text: str) -> Cell:
    if not text:
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def as_json(content: Any) -> str:
    """Return content for a ``<script type="application/json">``: nothing in it can end the script."""
    return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
