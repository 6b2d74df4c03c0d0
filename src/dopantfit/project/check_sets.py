"""What speaks against a reference set before its frames are computed: its plan, its manifest, its families."""

import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from dopantfit.errors import DopantFitError, EngineError
from dopantfit.fit.config import FitConfig, ReferenceSet
from dopantfit.potential import Potential
from dopantfit.potential.checks import element_of
from dopantfit.potential.files import named_in
from dopantfit.project.finding import ProjectFinding
from dopantfit.reference.cp2k import find_executable
from dopantfit.reference.cuts import cut_boundary
from dopantfit.reference.frames import load_set
from dopantfit.reference.manifest import MANIFEST_FILE, load_manifest
from dopantfit.reference.plan import (
    PLAN_FILE,
    BoundaryCuts,
    Built,
    CationExchange,
    Channel,
    Glass,
    Item,
    MolecularDynamics,
    Plan,
    Recompute,
    load_plan,
)
from dopantfit.reference.variants import start_ions
from dopantfit.structures.cells import labels_of
from dopantfit.structures.hosts import load_host


def is_labelled(folder: Path) -> bool:
    """Whether a set has frames; a folder with only a manifest, or none, has not."""
    try:
        return (folder / MANIFEST_FILE).is_file() and bool(load_manifest(folder).files)
    except DopantFitError:
        return True  # what is wrong with the manifest is told by whoever loads the frames


def folder_of(file: Path, path: str) -> Path:
    """The folder that a file names by a path from its own."""
    return Path(os.path.normpath(file.parent / path))


def set_findings(one: ReferenceSet, config: FitConfig, file: Path) -> Iterator[ProjectFinding]:
    """What is wrong with a set that ``fit.toml`` names, and what is still to do."""
    folder = folder_of(file, one.path)
    if not folder.is_dir():
        yield ProjectFinding("error", str(file), f"sets: there is no folder {folder}; mend the path, or make the set")
        return
    plan = None
    if (folder / PLAN_FILE).is_file():
        try:
            plan = load_plan(folder)
            yield from _plan_findings(plan, config, folder)
        except DopantFitError as problem:
            yield ProjectFinding("error", str(folder / PLAN_FILE), str(problem).removeprefix(f"{folder / PLAN_FILE}: "))
    planned = () if plan is None else families_of(plan)
    families: tuple[str, ...] = ()
    if is_labelled(folder):
        try:
            families = load_set(folder).families
        except DopantFitError as problem:
            yield ProjectFinding("error", str(folder), str(problem).removeprefix(f"{folder}: "))
            return
    to_come = [family for family in planned if family not in families]
    if to_come or not families:
        yield ProjectFinding("to do", str(folder), _unlabelled(folder, plan, to_come if families else []))
    families = (*families, *to_come)
    for family in one.held_out_families or ():
        if families and family not in families:
            what = f"sets: {one.path}: held_out_families names {family!r}; the set has {', '.join(families)}"
            yield ProjectFinding("error", str(file), what)


def families_of(plan: Plan) -> tuple[str, ...]:
    """Families that the frames of a plan will have, in its order."""
    found: dict[str, str] = {}
    for item in plan.configurations:
        if isinstance(item, Recompute) and not item.collect:
            continue
        inherited = None if isinstance(item, Built) else found.get(item.start.end_of or "")
        found[item.name] = item.family or inherited or item.name
    return tuple(dict.fromkeys(found.values()))


def _unlabelled(folder: Path, plan: Plan | None, to_come: Sequence[str]) -> str:
    """What is to be done for a set. to_come: families that it lacks, where it has others."""
    if plan is None:
        return "holds no frames and no plan; import frames with `dopantfit reference import`, or write a plan"
    count = sum(item.count for item in plan.configurations)
    at_most = " at most" if any(isinstance(item, CationExchange) for item in plan.configurations) else ""
    to_do = f"({count} frames{at_most} are planned); run `dopantfit reference run {folder}`, or import them"
    what = f"lacks {', '.join(to_come)} of its plan" if to_come else "is not labelled yet"
    return f"{what} {to_do}{_not_here(plan, folder)}"


def _not_here(plan: Plan, folder: Path) -> str:
    """What would compute a set and is not installed where this runs, as the end of a sentence."""
    if plan.calculator is not None:
        where = plan.calculator.make.rpartition(":")[0]
        if where.endswith(".py") or importlib.util.find_spec(where.partition(".")[0]) is not None:
            return ""
        package = where.partition(".")[0]
        return f" (there is no module {package} here: python -m pip install 'dopantfit[models]' brings tested models)"
    if (folder / MANIFEST_FILE).is_file() and "CP2K" not in load_manifest(folder).code:
        return ""  # of a code that runs elsewhere
    try:
        find_executable()
    except EngineError as problem:
        return f" ({problem})"
    return ""


def _plan_findings(plan: Plan, config: FitConfig, folder: Path) -> Iterator[ProjectFinding]:
    """Every start that cannot be made, and every potential of a run that lacks an ion."""
    where = str(folder / PLAN_FILE)
    manifest = load_manifest(folder) if (folder / MANIFEST_FILE).is_file() else None
    told: set[str] = set()  # items behind another have its faults too
    for item in plan.configurations:
        try:
            held = _labels_in(item, plan, folder)
        except DopantFitError as problem:
            if str(problem) not in told:
                yield ProjectFinding("error", where, str(problem))
            told.add(str(problem))
            continue
        unnamed = set() if manifest is None else set(manifest.unnamed(map(element_of, held))) - told
        told |= unnamed
        if unnamed:
            what = f"{item.name} holds {', '.join(sorted(unnamed))}, for which pseudopotentials names none; add it"
            yield ProjectFinding("error", str(folder / MANIFEST_FILE), what)
        if held and isinstance(item, MolecularDynamics | Channel | Glass):
            yield from _dynamics_findings(item, held, folder)
    if config.dopant is not None and plan.set != folder.name:
        yield ProjectFinding("warning", where, f"set = {plan.set!r}, and its folder is {folder.name!r}")


def _labels_in(item: Item, plan: Plan, folder: Path) -> set[str]:
    """Labels of the ions in the configurations of an item; none where it departs from a frame of no item."""
    if isinstance(item, Glass):
        unit = load_host(item.host, folder).polyanion
        return {unit.centre, unit.ligand, *item.cations}
    if isinstance(item, BoundaryCuts):
        return set(cut_boundary(item, folder).labels)  # its potential is asked for them, too
    dopant = {item.dopant} if isinstance(item, Channel) else set()
    if item.start.frame is None and item.start.end_of is None:
        return dopant | set(labels_of(start_ions(item, folder)))
    # What has to be computed first has the ions of the item that computes it.
    end_of, frame = item.start.end_of, item.start.frame
    before = plan.item(end_of) if end_of is not None else plan.item_of(str(frame))
    return set() if before is None or before is item else dopant | _labels_in(before, plan, folder)


def _dynamics_findings(
    item: MolecularDynamics | Channel | Glass, held: set[str], folder: Path
) -> Iterator[ProjectFinding]:
    where = str(folder / PLAN_FILE)
    try:
        potential = Potential.load(named_in(folder, item.potential))
    except DopantFitError as problem:
        yield ProjectFinding("error", where, f"{item.name}: {problem}")
        return
    missing = sorted(held - set(potential.species))
    if missing:
        yield ProjectFinding(
            "error", where, f"{item.name}: potential {potential.name} has no {', '.join(missing)}; name another"
        )
