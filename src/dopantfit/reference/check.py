"""`dopantfit reference check`: what speaks against a reference set, frame by frame."""

import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from ase import Atoms
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dopantfit.potential import Potential
from dopantfit.reference import plausibility
from dopantfit.reference.frames import (
    FrameSet,
    calculated,
    cell_problems,
    composition_of,
    frame_problems,
    hash_problems,
    load_set,
)
from dopantfit.reference.plausibility import Finding
from dopantfit.reference.similarity import near_pairs
from dopantfit.reference.split import split_findings

#: Frames of one structure lie closer than this [Å per ion]: a tenth of the move of a relaxation step.
DUPLICATE_DISTANCE = 1e-3
#: Total energies of different structures differ by more than this [eV].
DUPLICATE_ENERGY = 1e-7
#: More warnings of one kind than this are printed on one line.
MANY = 4


@dataclass(frozen=True)
class FrameRow:
    """One line of the table; energies [eV], forces [eV/Å], distances [Å]; None where the frame has none."""

    frame_id: str
    family: str
    composition: str
    ions: int
    energy_per_atom: float | None
    force_rms: float | None
    net_force: float | None
    shortest_distance: float | None
    shortest_pair: str
    errors: int
    warnings: int


@dataclass(frozen=True)
class CheckReport:
    """What `check_set` found: a row per frame, in the order of the file, and the findings."""

    name: str
    rows: tuple[FrameRow, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the set unfit for use."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that a person should judge."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data for JSON."""
        return {"passed": not self.errors, **asdict(self)}


def check_set(folder: str | os.PathLike[str], potential: Potential | None = None) -> CheckReport:
    """Return what speaks against the reference set in ``folder``.

    potential: whose formal charges are used; else the usual oxidation states.
    Raises ReferenceDataError when the set cannot be read at all.
    """
    frame_set = load_set(folder, verify=False)
    charges = {label: s.formal_charge for label, s in potential.species.items()} if potential else {}
    findings = [Finding("error", "hash", None, line) for line in hash_problems(Path(folder), frame_set.manifest)]
    shortest, sound = {}, []
    for number, frame in enumerate(frame_set.frames):
        problems = frame_problems(frame)
        named = _named(frame, number)
        of_cell = cell_problems(frame)
        for line in problems:
            kind = "cell" if line in of_cell else "incomplete"
            findings.append(Finding("error", kind, named.info["frame_id"], line))
        if not problems:
            sound.append(frame)
            shortest[number], near = plausibility.distance_findings(frame)
            findings += [*near, *_single_frame_findings(frame, frame_set)]
    findings += plausibility.charge_findings(sound, charges, frame_set.manifest.charged_families)
    findings += [*_set_findings(sound), *_identifier_findings(frame_set.frames)]
    findings += [*split_findings(frame_set), *_label_findings(frame_set)]
    severities: Counter[tuple[str | None, str]] = Counter((finding.frame_id, finding.severity) for finding in findings)
    rows = tuple(
        _row(_named(frame, number), shortest.get(number), severities) for number, frame in enumerate(frame_set.frames)
    )
    return CheckReport(frame_set.name, rows, tuple(findings))


def _single_frame_findings(frame: Atoms, frame_set: FrameSet) -> Iterator[Finding]:
    name = frame.info["frame_id"]
    if not frame.info.get("scf_converged", True):
        yield Finding("error", "SCF", name, "its self-consistency did not converge; run it again")
    unnamed = frame_set.manifest.unnamed(frame.symbols)
    if unnamed:
        yield Finding("error", "element", name, f"the manifest names no pseudopotential for {', '.join(unnamed)}")
    yield from plausibility.force_findings(frame)
    yield from plausibility.energy_floor_findings(frame, frame_set.manifest.code)


def _label_findings(frame_set: FrameSet) -> Iterator[Finding]:
    if not frame_set.manifest.labels_are_measured:
        text = (
            f"labels of {frame_set.manifest.code} that were never held against DFT; "
            "run `dopantfit reference compare` with a DFT set of the same kind of configurations"
        )
        yield Finding("warning", "labels", None, text)


def _set_findings(frames: Sequence[Atoms]) -> Iterator[Finding]:
    yield from plausibility.volume_findings(frames)
    yield from plausibility.peer_energy_findings(frames)
    yield from plausibility.linear_model_findings(frames)
    yield from plausibility.step_findings(frames)
    yield from plausibility.outlier_findings(frames)
    yield from duplicate_findings(frames)


def duplicate_findings(frames: Sequence[Atoms]) -> Iterator[Finding]:
    """Yield frames that are there twice: an error across families, where it can leak into the held-out part.

    Within a family, and for an equal energy alone (a symmetry-equivalent strain has one), it is a warning.
    """
    found = set()
    for i, j, distance in near_pairs(frames, DUPLICATE_DISTANCE):
        one, other = frames[i].info, frames[j].info
        found.add((i, j))
        text = f"the same structure as {one['frame_id']} ({distance:.1e} Å per ion apart)"
        within = one["family"] == other["family"]
        yield Finding("warning" if within else "error", "duplicate", other["frame_id"], text)
    order = sorted(range(len(frames)), key=lambda k: (composition_of(frames[k]), calculated(frames[k])["energy"]))
    for i, j in pairwise(order):
        close = abs(calculated(frames[i])["energy"] - calculated(frames[j])["energy"]) < DUPLICATE_ENERGY
        same = composition_of(frames[i]) == composition_of(frames[j])
        if same and close and (min(i, j), max(i, j)) not in found:
            first, second = (frames[k].info["frame_id"] for k in (min(i, j), max(i, j)))
            text = f"the same energy as {first}: the same structure, or its mirror image?"
            yield Finding("warning", "duplicate", second, text)


def _identifier_findings(frames: Sequence[Atoms]) -> Iterator[Finding]:
    seen: set[str] = set()
    for frame in frames:
        name = str(frame.info.get("frame_id"))
        if name in seen:
            yield Finding("error", "identifier", name, "is the frame_id of two frames")
        seen.add(name)


def _named(frame: Atoms, number: int) -> Atoms:
    """Return the frame with a name to report it by, its number where it has no frame_id."""
    if "frame_id" in frame.info:
        return frame
    named = frame.copy()
    named.calc = frame.calc
    named.info["frame_id"] = f"frame {number}"
    return named


def _row(frame: Atoms, shortest: plausibility.Shortest | None, severities: Counter[tuple[str | None, str]]) -> FrameRow:
    name = str(frame.info["frame_id"])
    sound = shortest is not None
    return FrameRow(
        frame_id=name,
        family=str(frame.info.get("family", "")),
        composition=composition_of(frame),
        ions=len(frame),
        energy_per_atom=plausibility.energy_per_atom(frame) if sound else None,
        force_rms=plausibility.force_rms(frame) if sound else None,
        net_force=plausibility.net_force(frame) if sound else None,
        # JSON knows no infinity, which is the distance of a lone ion.
        shortest_distance=shortest.distance if shortest and math.isfinite(shortest.distance) else None,
        shortest_pair=shortest.pair if shortest else "",
        errors=severities[name, "error"],
        warnings=severities[name, "warning"],
    )


def print_report(report: CheckReport, console: Console) -> None:
    """Print the table, then the findings grouped by kind, then the verdict in one line."""
    console.print(_table(report))
    ordered = sorted(report.findings, key=lambda finding: (finding.severity, finding.kind))
    for (severity, kind), group in groupby(ordered, key=lambda finding: (finding.severity, finding.kind)):
        colour = "red" if severity == "error" else "yellow"
        for where, message in _in_words(list(group)):
            head = Text.assemble((severity, colour), f" {kind}: {where}: {message}")
            console.print(head, soft_wrap=True)
    console.print(f"{len(report.errors)} errors, {len(report.warnings)} warnings; no frame was dropped")


def _table(report: CheckReport) -> Table:
    title = f"{report.name}: {len(report.rows)} frames"
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("frame", "family", "composition"):
        table.add_column(heading, overflow="fold")
    for heading in ("E/N\n[eV]", "F rms\n[eV/Å]", "ΣF/N\n[eV/Å]", "shortest\n[Å]", ""):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.rows:
        verdict = "[red]error" if row.errors else "[yellow]warning" if row.warnings else "[green]ok"
        table.add_row(
            row.frame_id,
            row.family,
            row.composition,
            _number(row.energy_per_atom, 4),
            _number(row.force_rms, 3),
            _number(row.net_force, 4),
            f"{_number(row.shortest_distance, 2)} {row.shortest_pair}",
            verdict,
        )
    return table


def _in_words(group: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return (where, message) per line: one finding each, but one line for a warning that many share."""
    if group[0].severity == "warning" and len(group) > MANY:
        names = ", ".join(dict.fromkeys(finding.frame_id or "set" for finding in group))
        return [(f"{len(group)} frames, the first", f"{group[0].message} ({names})")]
    return [(finding.frame_id or "set", finding.message) for finding in group]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
