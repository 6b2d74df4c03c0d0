"""The reference sets of a new dopant: which there are, what stands in each, what the fit does with it."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dopantfit.potential import library_names
from dopantfit.project.compound import SimpleCompound
from dopantfit.project.environment_texts import (
    exchange_items,
    exchange_plan,
    held_out_glass,
    judges_plan,
    surroundings_plan,
)
from dopantfit.project.plan_texts import (
    COMPOUND_FILE,
    NOT_RUN_YET,
    PlanNames,
    compound_plan,
    host_plan,
    labels_text,
    manifest_text,
)
from dopantfit.project.request import DopantRequest
from dopantfit.reference.calculator import CalculatorSettings
from dopantfit.reference.frames import composition_of, dump_frames
from dopantfit.reference.labels import cp2k_manifest
from dopantfit.reference.manifest import MANIFEST_FILE, dump_manifest
from dopantfit.reference.plan import PLAN_FILE, parse_plan
from dopantfit.structures.hosts import host_names

START_FILE = "start.toml"


@dataclass(frozen=True)
class PlannedSet:
    """A reference set that is to be made.

    plan: text. held_out: families that the fit does not see. exchanges_held_out: names of exchanges, likewise; None
    where the set has none. is_judge: whether labels are held against it, and no fit reads it. is_of_dft: whether a code
    computes it. files: others of its folder.
    """

    folder: Path
    plan: str
    elements: frozenset[str]
    held_out: tuple[str, ...] = ()
    exchanges_held_out: tuple[str, ...] | None = None
    is_judge: bool = False
    is_of_dft: bool = True
    files: Mapping[str, str] = field(default_factory=dict)

    def texts(self, request: DopantRequest, code: str, named: Mapping[str, str]) -> dict[Path, str]:
        """Its files by their paths; ConfigError for an element without pseudopotential in the code.

        named: pseudopotentials by element that take the place of those known here.
        """
        texts = {self.folder / PLAN_FILE: self.plan}
        texts |= {self.folder / name: text for name, text in self.files.items()}
        if self.is_of_dft and code == "cp2k":
            plan = parse_plan(self.plan)
            texts[self.folder / MANIFEST_FILE] = dump_manifest(cp2k_manifest(plan, self.elements, NOT_RUN_YET))
        elif self.is_of_dft:
            purpose = f"Frames for the fit of {request.dopant} in {request.host.name}"
            texts[self.folder / MANIFEST_FILE] = manifest_text(self.folder.name, purpose, code, self.elements, named)
        return texts


def planned_sets(
    request: DopantRequest, compound: SimpleCompound, fit: Path, calculator: CalculatorSettings | None
) -> tuple[PlannedSet, ...]:
    """The sets of a dopant; with a calculator a last one of DFT that judges its labels. fit: folder of the fit."""
    sets, dopant, host = request.root / "reference_dft", request.dopant, request.host.name
    names = plan_names(request, fit, sets / f"{dopant}-{host}", calculator)
    doped = frozenset({*request.host.charges, dopant})
    by_code = calculator is None
    glass, exchanges = held_out_glass(request), exchange_items(request)
    held_out_exchanges = tuple(item.name for item in exchanges if item.is_held_out)

    def folder(what: str) -> Path:
        return sets / f"{dopant}-{what}"

    found = [
        PlannedSet(
            folder(host),
            host_plan(request, f"{dopant}-{host}", names),
            doped,
            (f"relax-{request.cells[-1].name}",),
            is_of_dft=by_code,
        ),
        PlannedSet(
            folder("surroundings"),
            surroundings_plan(request, f"{dopant}-surroundings", names),
            doped,
            () if glass is None else (glass,),
            is_of_dft=by_code,
        ),
        PlannedSet(
            folder("exchange"),
            exchange_plan(request, f"{dopant}-exchange", names),
            doped,
            held_out_exchanges,
            held_out_exchanges,
            is_of_dft=by_code,
        ),
        PlannedSet(
            folder("compound"),
            compound_plan(request, compound, f"{dopant}-compound", names),
            frozenset(compound.atoms.symbols),
            ("strains",),
            is_of_dft=by_code,
            files={COMPOUND_FILE: _crystal_text(compound)} if compound.prototype is None else {},
        ),
    ]
    if calculator is not None:
        plan = judges_plan(request, f"{dopant}-judges", replace(names, labels=""))
        found.append(PlannedSet(folder("judges"), plan, doped, is_judge=True))
    return tuple(found)


def plan_names(request: DopantRequest, fit: Path, folder: Path, calculator: CalculatorSettings | None) -> PlanNames:
    """How a plan in a folder names the rest."""
    potential = os.path.relpath(fit / START_FILE, folder)
    host = named_in(folder, request.host_name, host_names())
    return PlanNames(potential, host, labels_text(calculator, folder), needs_repeats=calculator is None)


def named_in(folder: Path, name: str, library: Iterable[str]) -> str:
    """How a file of `folder` names what is a library entry, or else a path from here."""
    return name if name in library else os.path.relpath(name, folder)


def host_potential(request: DopantRequest, fit: Path) -> str:
    """How the fit names the host's force field."""
    return named_in(fit, request.potential_name, library_names())


def _crystal_text(compound: SimpleCompound) -> str:
    atoms = compound.atoms.copy()
    atoms.calc = None
    atoms.info = {"composition": composition_of(atoms), "origin": compound.source}
    return dump_frames([atoms])
