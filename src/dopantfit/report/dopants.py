"""Dopants side by side: what is known of each fit, its gates and its study, those first of which most is decided."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from dopantfit.errors import ConfigError
from dopantfit.fit.config import FIT_FILE
from dopantfit.fit.errors_by_group import surroundings
from dopantfit.fit.record import RECORD_FILE
from dopantfit.fit.record_schema import FitRecord, SideErrors
from dopantfit.report.words import ranged
from dopantfit.study.record import StudyRecord
from dopantfit.study.spectrum_shares import SpectrumShare, grain_shares
from dopantfit.study.systems import Kind, System
from dopantfit.study.verdict import CompositionAnswer, Criterion
from dopantfit.validate.record_schema import ValidationRecord

VALIDATION_FILE = "validation.json"
#: The page, by default beside the folders; a pattern such as fits/* names it too.
PAGE = "compare.html"


@dataclass(frozen=True)
class ExchangeMeans:
    """Means of exchange energies with one partner [eV], over those of all of which both ends come to rest."""

    fitted: float
    reference: float
    at_rest: int
    all: int

    def __str__(self) -> str:
        some = "" if self.at_rest == self.all else f", {self.at_rest} of {self.all} at rest"
        return f"{self.fitted:+.2f} ({self.reference:+.2f}{some})"


@dataclass(frozen=True)
class DopantRow:
    """One dopant. forces: RMS errors of held-out frames [eV/Å] by what they are of. energies: [meV/atom].

    exchanges: by partner. gates: what they said, in words. requirements: answers by name. checks: of the highest dose,
    by quantity. grain_shares: by temperature, where the study kept spectra; grain_limit: what they must stay below.
    hours: that the records of fit, gates and study name together, tasks of the study one by one.
    """

    folder: str
    dopant: str
    formal_charge: int | None
    forces: dict[str, float]
    energies: float | None
    exchanges: dict[str, ExchangeMeans]
    gates: str
    verdict: str
    requirements: dict[str, str]
    checks: dict[str, Criterion]
    grain_shares: tuple[SpectrumShare, ...]
    grain_limit: float | None
    hours: float

    @property
    def name(self) -> str:
        """The dopant and its charge."""
        return self.dopant if self.formal_charge is None else f"{self.dopant} {self.formal_charge:+d}"

    @property
    def numbers(self) -> dict[str, str]:
        """Intervals of the checks, in words, and the share in the grain at one temperature where it is known."""
        found = {quantity: _interval(check) for quantity, check in self.checks.items()}
        share = next((one for one in self.grain_shares if one.temperature_K == _KELVIN), None)
        if share is not None:
            found[_SHARE] = ranged(share.ratio) + ("" if share.counts else ", too few sites")
        return found

    @property
    def decided(self) -> int:
        """How many requirements have an answer."""
        return sum(answer in ("yes", "no") for answer in self.requirements.values())

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        checks = {name: one.model_dump(mode="json", include=_TOLD) for name, one in self.checks.items()}
        shares = [one.as_dict() for one in self.grain_shares]
        told = {"decided": self.decided, "numbers": self.numbers, "checks": checks, "grain_shares": shares}
        return {**asdict(self), **told}


#: Column of the exchange energies.
_EXCHANGES = "mean exchange energy (eV; by the labels)"
#: Temperature of the share in the grain that stands in the table [K], and its column.
_KELVIN = 1000.0
_SHARE = f"grain over amorphous at {_KELVIN:g} K, by spectra"
#: Of a check, what JSON has.
_TOLD = {"unit", "interval", "rule", "limit", "at_most", "answer"}
_ORDER = {"yes": 0, "no": 1, "undecided": 2}


def compare_dopants(folders: Sequence[str | Path]) -> tuple[DopantRow, ...]:
    """Return what is known of the fits in these folders, those first of which most is decided; yes before no.

    A page of before among them is passed over. Raises ConfigError for a folder that holds no fit.toml, and for a record
    that is not whole.
    """
    rows = [_row(Path(one)) for one in folders if not (Path(one).name == PAGE and Path(one).is_file())]
    return tuple(sorted(rows, key=lambda row: (-row.decided, _ORDER.get(row.verdict, 3), row.dopant, row.folder)))


def _row(folder: Path) -> DopantRow:
    if not (folder / FIT_FILE).is_file():
        raise ConfigError(f"{folder}: holds no {FIT_FILE}; name folders of fits, as in fits/*")
    fit = FitRecord.read_if_there(folder / RECORD_FILE)
    gates = ValidationRecord.read_if_there(folder / VALIDATION_FILE)
    found = StudyRecord.in_folder(folder)
    study = None if found is None else found[1]
    dopant = {} if fit is None else dict(fit.record.configuration.get("dopant") or {})
    errors = None if fit is None else fit.errors["fitted"].get("held_out")
    seconds = sum(one.record.wall_seconds for one in (fit, gates, study) if one is not None)
    verdict = None if study is None else study.verdict
    dose = "" if verdict is None else list(verdict.compositions)[-1]
    return DopantRow(
        folder=str(folder),
        dopant=str(dopant.get("label", folder.name)),
        formal_charge=dopant.get("formal_charge"),
        forces={} if errors is None else _forces(errors, str(dopant.get("label"))),
        energies=None if errors is None or not errors.energies else 1000.0 * errors.energies[0].rms_error,
        exchanges=_exchanges(fit),
        gates=_gates(gates),
        verdict="no fit yet" if fit is None else "no study yet" if verdict is None else verdict.answer,
        requirements={} if verdict is None else {name: str(one) for name, one in verdict.requirements.items()},
        checks={} if verdict is None else _checks(dose, verdict.compositions[dose]),
        grain_shares=() if found is None or not dose else grain_shares(*found, System.named(dose)),
        grain_limit=None if verdict is None else verdict.limits.grain_share,
        hours=seconds / 3600.0,
    )


def _forces(errors: SideErrors, dopant: str) -> dict[str, float]:
    wanted = {("species", dopant): dopant, ("neighbourhood", surroundings(dopant)): "first shell"}
    wanted[("all", "all")] = "all ions"
    found = {(one.kind, one.name): one.rms_error for one in errors.forces}
    return {name: found[key] for key, name in wanted.items() if key in found}


def _exchanges(fit: FitRecord | None) -> dict[str, ExchangeMeans]:
    outcomes = () if fit is None or fit.exchanges is None else fit.exchanges.energies
    found = {}
    for partner in sorted({one.partner for one in outcomes}):
        alike = [one for one in outcomes if one.partner == partner]
        known = [(fitted, one.reference) for one in alike if (fitted := one.energies.get("fitted")) is not None]
        if known:
            fitted, reference = (fmean(column) for column in zip(*known, strict=True))
            found[partner] = ExchangeMeans(fitted, reference, len(known), len(alike))
    return found


def _gates(record: ValidationRecord | None) -> str:
    if record is None:
        return "not validated"
    failed = [one.name for one in record.gates if not one.passed]
    told = f"failed: {', '.join(failed)}" if failed else f"{len(record.gates)} passed"
    return f"{told} ({record.level})"


def _checks(boundary: str, answer: CompositionAnswer) -> dict[str, Criterion]:
    """Checks of a composition, without the number of its dose: other dopants have other doses."""
    dose = System.named(boundary).composition
    kinds = {System(kind=kind, composition=dose).name: kind.value for kind in (Kind.AMORPHOUS, Kind.CRYSTAL)}
    return {" ".join(kinds.get(word, word) for word in check.quantity.split()): check for check in answer.checks}


def _interval(check: Criterion) -> str:
    low, high = check.interval.low, check.interval.high
    unit = f" {check.unit}" if check.unit else ""
    known_low, known_high = low is not None and isfinite(low), high is not None and isfinite(high)
    if not known_high:
        return f"≥ {low:.3g}{unit}" if known_low and low else "unknown"
    if not known_low:
        return f"≤ {high:.3g}{unit}"
    return f"≤ {high:.3g}{unit}" if not low else f"{low:.3g} to {high:.3g}{unit}"


def columns_of(rows: Sequence[DopantRow]) -> tuple[str, ...]:
    """The columns of the table: those of every dopant, and each quantity that some study has."""
    return (
        *("dopant", "verdict", "decided", "gates", "force error (eV/Å)", "energy error (meV/atom)"),
        *([_EXCHANGES] if any(row.exchanges for row in rows) else []),
        *dict.fromkeys(name for row in rows for name in row.numbers),
        "hours of work",
    )


def names_of(rows: Sequence[DopantRow]) -> list[str]:
    """Dopants and their charges; with the folder where another is of the same dopant."""
    plain = [row.name for row in rows]
    names = [row.name if plain.count(row.name) == 1 else f"{row.name}, {Path(row.folder).name}" for row in rows]
    return [
        name if names.count(name) == 1 else f"{row.name}, {row.folder}" for name, row in zip(names, rows, strict=True)
    ]


def cells_of(row: DopantRow, columns: Sequence[str], rows: Sequence[DopantRow]) -> list[str]:
    """The cells of one of the rows in the order of the columns."""
    known = {
        "dopant": names_of(rows)[list(rows).index(row)],
        "verdict": row.verdict,
        "decided": f"{row.decided} of {len(row.requirements)}" if row.requirements else "",
        "gates": row.gates,
        "force error (eV/Å)": ", ".join(f"{name} {error:.2f}" for name, error in row.forces.items()),
        "energy error (meV/atom)": "" if row.energies is None else f"{row.energies:.0f}",
        _EXCHANGES: ", ".join(f"{partner} {means}" for partner, means in row.exchanges.items()),
        "hours of work": f"{row.hours:.2f}",
    }
    return [known.get(name, row.numbers.get(name, "")) for name in columns]


def markdown_of(rows: Sequence[DopantRow]) -> str:
    """The table for a page of text: a column for each dopant, without quantities that are known of none."""
    columns = columns_of(rows)
    lines = list(zip(columns, *(cells_of(row, columns, rows) for row in rows), strict=True))
    known = [line for line in lines if set(line[1:]) - {"", "unknown"}]
    # A bar within a cell, as of an absolute value, would end it.
    written = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in known]
    return "\n".join([written[0], "|---" * (len(rows) + 1) + "|", *written[1:]]) + "\n"
