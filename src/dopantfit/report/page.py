"""One HTML file that needs no network, and a folder with every figure as PDF and CSV."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from dopantfit.errors import ConfigError
from dopantfit.report import scene, style
from dopantfit.report.compare import agreement_in_words, published, size_of
from dopantfit.report.draw_rounds import rounds_picture
from dopantfit.report.draw_share import share_picture
from dopantfit.report.fit_part import fit_part, gate_views
from dopantfit.report.pellet_part import pellet_section
from dopantfit.report.record import ReportRecord
from dopantfit.report.results import other_potentials, sections
from dopantfit.report.sources import Sources, as_json
from dopantfit.report.words import listed, ranged, rounded
from dopantfit.study.item_schemas import DensityMapFacts
from dopantfit.study.summary import StudySummary
from dopantfit.workflow.folders import make_folder, together
from dopantfit.workflow.provenance import Provenance, write_text_atomic

PAGE, FIGURES, RECORD = "report.html", "figures", "report.json"
#: What an answer looks like without colour.
SIGNS = {"yes": "✓", "no": "✗", "undecided": "?"}


@dataclass(frozen=True)
class View:
    """A 3-D view: scenes by title, and a flat picture for print and for browsers without WebGL."""

    name: str
    title: str
    caption: str
    scenes: Mapping[str, str]
    flat: style.Picture | None
    missing: str = ""


def write_report(sources: Sources, output: Path) -> ReportRecord:
    """Write the page, the figures and ``report.json`` into `output`; return what the record holds.

    They come together, in the place of those of the report before. Raises ConfigError when the folder cannot be written
    to or a record is damaged; then what was there stays.
    """
    started = time.time()
    make_folder(output)
    with together(output, RECORD, _figures_before(output)) as new:
        folder = make_folder(new / FIGURES)
        content = contents(sources, folder)
        page = rendered(content)
        write_text_atomic(new / PAGE, page)
        record = ReportRecord(
            page=PAGE,
            bytes=len(page.encode()),
            answer=content["answer"],
            figures=tuple(sorted(path.stem for path in folder.glob("*.pdf"))),
            missing=tuple(content["missing"]),
            record=Provenance.of(sources.files, {}, seed=None, started=started),
        )
        record.write(new / RECORD)
    return record


def _figures_before(output: Path) -> list[str]:
    """Files of the figures of the report before, as patterns; what lies among them and is none of ours stays."""
    try:
        before = ReportRecord.read_if_there(output / RECORD)
    except ConfigError:
        return []  # what cannot be read says nothing of what is ours
    named = set(before.figures if before else ())
    found = []
    for pdf in (output / FIGURES).glob("*.pdf"):
        files = [pdf.with_suffix(ending) for ending in (".pdf", ".svg", ".csv")]
        if pdf.stem in named and all(file.is_file() for file in files):
            found += [f"{FIGURES}/{escape(file.name)}" for file in files]
            found.append(f"{FIGURES}/{escape(pdf.stem)}-*.csv")
    return found


def contents(sources: Sources, folder: Path) -> dict[str, Any]:
    """Return everything that the template shows; figures go to `folder`."""
    study, known = sources.study, published()
    parts = [*sections(study, known, folder), pellet_section(study, folder)] if study else []
    views = [boundary_view(study, folder), density_view(study, folder)] if study else []
    gates = sources.validation
    gate_folder = sources.validation_folder
    missing = [f"{part.number} {part.title}: {part.missing}" for part in parts if part.missing]
    missing += [f"{view.title}: {view.missing}" for view in views if view.missing]
    absent = {"study": study, "fit": sources.fit, "validation": gates}
    missing += [f"{name}: no record was found" for name, found in absent.items() if found is None]
    return {
        "sources": sources,
        "study": study,
        "dopant": study.dopant if study else (sources.fit or gates).name,  # type: ignore[union-attr]
        "verdict": study.record.verdict if study else None,
        "answer": study.record.answer if study else None,
        "prospects": study.record.prospects if study else {},
        "conclusion": study.record.conclusion if study else "",
        "rounds": study.record.rounds if study else None,
        "looked_at": _looked_at(study),
        "rounds_drawn": rounds_picture(study, folder),
        "share_drawn": share_picture(study, folder),
        "counts": _counts(study),
        "waiver": _waiver(study),
        "systems": systems_of(study) if study else "",
        "sections": parts,
        "others": other_potentials(study, folder) if study else None,
        "views": views,
        "fit": fit_part(sources.fit, folder) if sources.fit else None,
        "gates": gate_views(gates, gate_folder) if gates and gate_folder else [],
        "validation": gates,
        "known": known,
        "agreement": agreement_in_words((one for part in parts for one in part.compared), known.dopant),
        "sizes": {kind: (size_of(kind, study), theirs) for kind, theirs in known.sizes.items()} if study else {},
        "costs": _costs(study),
        "missing": missing,
        "signs": SIGNS,
    }


def rendered(content: Mapping[str, Any]) -> str:
    """Return the page as HTML."""
    environment = style.templates("dopantfit.report")
    environment.globals |= {"ranged": ranged}
    environment.filters["rounded"] = rounded
    templates = package_files("dopantfit.report").joinpath("templates")
    look, program = (templates.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", "view3d.js"))
    return environment.get_template("report.html").render(content, look=look, program=program)


def boundary_view(study: StudySummary, folder: Path) -> View:
    """The boundary to be turned; the highest dose is drawn flat for print."""
    title = "The boundary"
    scenes = scene.boundary_scenes(study)
    if not scenes:
        return View("boundary-3d", title, "", {}, None, "the study made no structure of it")
    first, shown = next(iter(scenes.items()))
    figure, rows = scene.side_view(shown, style.palette(study))
    ions = sum(one["count"] for one in shown["kinds"])
    dopants = sum(one["count"] for one in shown["kinds"] if one["name"] == study.dopant)
    caption = f"{first}: {ions:,} ions, {dopants:,} of them {study.dopant} (drawn larger)."
    flat = style.save(figure, folder, "boundary-side", caption, ("ion", "along_normal_A", "x_A"), rows)
    return View("boundary-3d", title, caption, {name: as_json(one) for name, one in scenes.items()}, flat)


def density_view(study: StudySummary, folder: Path) -> View:
    """The density of the mobile ion in the doped crystal and its change, to be turned."""
    mobile, item = study.host.mobile, study.item("05-mobile-density", DensityMapFacts)
    title = f"{mobile} density in the crystal of the highest dose"
    found = scene.density_scene(item, study) if item else None
    flat = scene.projections(item, study) if item else None
    if item is None or found is None or flat is None:
        return View("mobile-density-3d", title, "", {}, None, study.why_missing("05-mobile-density"))
    none = "" if any(item.facts.dopants.values()) else (
        f" It holds no {study.dopant}: the change is that between two runs of one crystal, noise.")  # fmt: skip
    caption = (
        f"{item.facts.system} after {item.facts.runs_ps.doped:g} ps (reference "
        f"{item.facts.runs_ps.reference:g} ps): {100 * scene.ENCLOSED:.0f} % of the {mobile} density lies inside the "
        f"surface; its change against C_ref is drawn at ± {scene.LEVEL:g} standard deviations over all voxels.{none}"
    )
    picture = style.save(flat[0], folder, "mobile-density-map", caption, flat[1], flat[2])
    return View("mobile-density-3d", title, caption, {item.facts.system: as_json(found)}, picture)


def systems_of(study: StudySummary) -> str:
    """What the names of the systems stand for, from the settings of the study."""
    count = len(study.doses)
    doses = listed([f"{dose:g}" for dose in study.doses.values()])
    boundaries, crystals, glasses = (_numbered(kind, count) for kind in ("GB", "C", "A"))
    reducible_free = study.config.amorphous.reducible_free
    without = f"; T_0: glass without {study.host.reducible}" if reducible_free else ""
    return (
        f"{boundaries}: the boundary with {doses} at% {study.dopant} in its amorphous domain; {crystals}: the crystal "
        f"with what is found in its grain, one {study.dopant} at least; {glasses}: the glass cut from it; C_ref, "
        f"A_ref: without {study.dopant}{without}."
    )


def _numbered(kind: str, count: int) -> str:
    """Names of the systems of one kind: ``C_1, C_2``, or ``C_1 to C_7``."""
    names = [f"{kind}_{i}" for i in range(1, count + 1)]
    return ", ".join(names) if count < 3 else f"{names[0]} to {names[-1]}"


def hours(seconds: float) -> str:
    """Return a time in hours as a person reads it."""
    return "< 0.001" if seconds < 3.6 else rounded(seconds / 3600.0, 2)


def _counts(study: StudySummary | None) -> dict[str, int]:
    """How many compositions have which answer."""
    verdict = study.record.verdict if study else None
    found: list[str] = [one.answer for one in verdict.compositions.values()] if verdict else []
    return {answer: found.count(answer) for answer in SIGNS}


def _looked_at(study: StudySummary | None) -> list[dict[str, Any]]:
    """Every check with its intervals look by look, for a study that grew until it could tell."""
    rounds = study.record.rounds.rounds if study and study.record.rounds else ()
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in rounds:
        for check in one.checks:
            limit = "" if check.limit is None else f"{'≤' if check.at_most else '≥'} {check.limit:g}"
            row = {"name": f"{check.composition}: {check.quantity}", "limit": limit, "cells": []}
            rows.setdefault((check.composition, check.quantity), row)["cells"].append(check)
    return list(rows.values())


def _waiver(study: StudySummary | None) -> str:
    """Why a potential that did not pass its gates was used; empty where it passed."""
    if study is None or study.record.gates.passed:
        return ""
    return ". Used all the same: ".join(filter(None, (study.record.gates.problem, study.record.gates.waiver)))


def _costs(study: StudySummary | None) -> list[tuple[str, int, str, int]]:
    """Tasks done, hours of work, and tasks not done, by stage."""
    stages: dict[str, list[float]] = {}
    for done in study.record.tasks.values() if study else ():
        entry = stages.setdefault(done.stage, [0, 0.0, 0])
        entry[0], entry[1] = entry[0] + 1, entry[1] + done.measured.get("wall_seconds", 0.0)
    for stage in study.record.stages.values() if study else ():
        stages.setdefault(stage, [0, 0.0, 0])[2] += 1
    return [(name, int(n), hours(seconds), int(lost)) for name, (n, seconds, lost) in stages.items()]
