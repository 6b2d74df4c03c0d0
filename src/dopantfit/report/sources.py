"""What a report is made from: the records of a study, a fit and a validation, and how they belong together."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dopantfit.errors import ConfigError
from dopantfit.fit.record import POTENTIAL_FILE
from dopantfit.fit.record import RECORD_FILE as FIT
from dopantfit.fit.record_schema import FitRecord
from dopantfit.study.record import STUDY_RECORD as STUDY
from dopantfit.study.summary import StudySummary, read_summary
from dopantfit.validate.record import VALIDATION_FILE as VALIDATION
from dopantfit.validate.record_schema import ValidationRecord
from dopantfit.workflow.provenance import sha256_of


@dataclass(frozen=True)
class Sources:
    """Everything that was found. notes: what a reader must know about how the parts belong together."""

    folder: Path
    study: StudySummary | None
    fit: FitRecord | None
    validation: ValidationRecord | None
    notes: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    validation_file: Path | None = None

    @property
    def validation_folder(self) -> Path | None:
        """Folder of the gates' figures, which has the name of their record."""
        return None if self.validation_file is None else self.validation_file.with_suffix("")


def read_sources(folder: Path, fit_folder: Path | None = None) -> Sources:
    """Read what is in `folder`: a study, its summary, or a fit with the study that was kept with it.

    fit_folder: where fit.json and validation.json lie; without it they are looked for in `folder`, beside it, and in
    ``fits``, and taken where their potential is the study's. Raises ConfigError when there is no record at all, one is
    not whole, or `fit_folder` has none.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; name the run folder of a study, or the folder of a fit")
    study = read_summary(folder)
    places = [fit_folder] if fit_folder else [folder]
    if study and not fit_folder:
        places += [folder.parent, *sorted(path for path in Path("fits").glob("*") if path.is_dir())]
    wanted = study.record.record.inputs.get("potential") if study and not fit_folder else None
    fit_path = _fit_in(places, wanted)
    gates_path = _gates_in(places, wanted)
    if fit_folder and fit_path is None and gates_path is None:
        raise ConfigError(f"{fit_folder}: has neither {FIT} nor {VALIDATION}; run `dopantfit fit {fit_folder}` first")
    if study is None and fit_path is None and gates_path is None:
        raise ConfigError(
            f"{folder}: has no {STUDY}, {FIT} or {VALIDATION}; name the run folder of a study, such as "
            "runs/study-Mg-quick, or run `dopantfit study` first"
        )
    fit = None if fit_path is None else FitRecord.read(fit_path)
    gates = None if gates_path is None else ValidationRecord.read(gates_path)
    files = {STUDY: study.folder / STUDY} if study else {}
    files |= {path.name: path for path in (fit_path, gates_path) if path is not None}
    return Sources(folder, study, fit, gates, _notes(study, fit_path, gates), files, gates_path)


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
            if ValidationRecord.read(path).potential.sha256 == wanted:
                return path
    return None


def potential_hash(folder: Path) -> str | None:
    """SHA-256 of the potential in a folder; None when there is none."""
    path = folder / POTENTIAL_FILE
    return sha256_of(path) if path.is_file() else None


def _notes(study: StudySummary | None, fit_path: Path | None, gates: ValidationRecord | None) -> tuple[str, ...]:
    """What does not belong together."""
    used = study.record.record.inputs.get("potential") if study else None
    fitted = None if fit_path is None else potential_hash(fit_path.parent)
    notes = []
    if study and fit_path and fitted != used:
        notes.append("The fit shown here made another potential than the one that the study used.")
    if gates and gates.potential.sha256 != (used if study else fitted):
        notes.append("The gates shown here were held against another potential, or an earlier one.")
    return tuple(notes)


def as_json(content: object) -> str:
    """Return content for a ``<script type="application/json">``: nothing in it can end the script."""
    return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
