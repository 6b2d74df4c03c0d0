"""Entries of competing phases that a calculator of ASE computes: ``phases.toml`` names their structures and it.

Every phase is brought to rest, ions and cell, by L-BFGS on `ase.filters.FrechetCellFilter`; its energy is the entry's.
What was computed lies as entries beside the file, so that no phase is computed twice.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self

from ase import Atoms
from pydantic import Field, JsonValue, model_validator
from pymatgen.core import Composition
from pymatgen.entries.computed_entries import ComputedEntry

from dopantfit.ceramic.entries import Entries, read_entries
from dopantfit.errors import ConvergenceError, DopantFitError, EngineError
from dopantfit.reference.calculator import CalculatorSettings, LabelCalculator, fingerprint, in_words
from dopantfit.reference.calculator_checks import check_units
from dopantfit.strict_toml import Positive, Table, parse_strict, read_text
from dopantfit.structures.convert import read_crystal
from dopantfit.workflow.lock import held
from dopantfit.workflow.progress import NOBODY, ProgressObserver, WorkProgress
from dopantfit.workflow.provenance import write_json_atomic

Text = Annotated[str, Field(min_length=1)]


class Phase(Table):
    """One competing phase: its name, and a file with its structure, beside phases.toml.

    relax_cell: false for a molecule in a box, whose cell has nothing to say.
    """

    name: Text
    file: Text
    relax_cell: bool = True


class PhaseSettings(Table):
    """The phases that a composition may fall into, among them each element itself, and what computes their energies."""

    #: As of `reference run --calculator`: ``module:Class``, or ``./file.py:function``; and its arguments by name.
    calculator: Text
    options: dict[str, JsonValue] = Field(default_factory=dict)
    #: Largest force, and stress times volume per atom, of a phase at rest [eV/Å, eV]; steps until then, at most.
    forces: Positive = 0.02
    steps: Annotated[int, Field(ge=1, le=100_000)] = 500
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_one_each(self) -> Self:
        names = [one.name for one in self.phases]
        if len(set(names)) < len(names):
            raise ValueError(f"phases: {max(names, key=names.count)!r} is named twice; give each a name of its own")
        return self


def entries_file(path: Path) -> Path:
    """Where the entries of a file of phases lie."""
    return path.with_suffix(".entries.json")


def computed_entries(
    path: Path,
    observer: ProgressObserver = NOBODY,
    check: Callable[[list[Composition]], None] = lambda phases: None,
) -> Entries:
    """Return the entries of a file of phases; those that are not there yet are computed, one after the other.

    observer: told of every phase, when it is begun. check: looks at what the phases are before any is computed.
    Raises ConfigError for what cannot be read or made, ReferenceDataError for a calculator whose units are others,
    EngineError with its own words, ConvergenceError for a phase not at rest.
    """
    settings = parse_strict(PhaseSettings, read_text(path), str(path))
    structures = {one.name: read_crystal(path.parent / one.file) for one in settings.phases}
    check([Composition(one.get_chemical_formula(mode="metal")) for one in structures.values()])
    chosen = parse_strict(CalculatorSettings, {"make": settings.calculator, "options": settings.options}, str(path))
    calculator = LabelCalculator(chosen, path.parent)
    with held(path.parent):
        known, found, of = _known(entries_file(path)), list[ComputedEntry](), len(settings.phases)
        for number, phase in enumerate(settings.phases, 1):
            key = _key(phase, settings, structures[phase.name], calculator)
            if key not in known:
                observer.say(f"computing {phase.name} ({number} of {of})")
                observer.show("phases", WorkProgress(number - 1, of=of))
                known[key] = _entry(phase, settings, structures[phase.name], calculator, key)
                observer.show("phases", WorkProgress(number, of=of))
            found.append(known[key])
            _write(entries_file(path), calculator, found, of)
    return read_entries(entries_file(path))


def _entry(phase: Phase, settings: PhaseSettings, atoms: Atoms, calculator: LabelCalculator, key: str) -> ComputedEntry:
    check_units(atoms, lambda moved: calculator.labelled(moved, phase.name), calculator.name)
    rest = _relaxed(phase, settings, atoms, calculator)
    composition = Composition(rest.get_chemical_formula(mode="metal"))
    return ComputedEntry(composition, rest.get_potential_energy(), entry_id=phase.name, data={"key": key})


def _relaxed(phase: Phase, settings: PhaseSettings, atoms: Atoms, calculator: LabelCalculator) -> Atoms:
    """Return the phase at rest with its energy."""
    from ase.filters import FrechetCellFilter
    from ase.optimize import LBFGS

    work = atoms.copy()
    work.calc = calculator.calculator
    try:
        search = LBFGS(FrechetCellFilter(work) if phase.relax_cell else work, logfile=None)
        at_rest = search.run(fmax=settings.forces, steps=settings.steps)
    except DopantFitError:
        raise
    except Exception as problem:  # a calculator raises whatever it trips over
        raise EngineError(f"phase {phase.name}: calculator {calculator.name}: {in_words(problem)}") from None
    if not at_rest:
        raise ConvergenceError(
            f"phase {phase.name}: is not at rest after {settings.steps} steps, expected forces below "
            f"{settings.forces:g} eV/Å; start from a better structure, or allow more steps"
        )
    return calculator.labelled(work, phase.name)


def _key(phase: Phase, settings: PhaseSettings, atoms: Atoms, calculator: LabelCalculator) -> str:
    """Hash of all that an energy depends on."""
    told = f"{fingerprint(atoms, calculator.record)} {phase.relax_cell} {settings.forces!r}"
    return hashlib.sha256(told.encode()).hexdigest()


def _known(path: Path) -> dict[str, ComputedEntry]:
    """Entries by their keys; none where there is no file of ours."""
    try:
        return {str(one.data["key"]): one for one in read_entries(path).entries}
    except (DopantFitError, KeyError):
        return {}


def _write(path: Path, calculator: LabelCalculator, entries: list[ComputedEntry], of: int) -> None:
    """Write what there is so far, which says how much that is."""
    record = calculator.record
    part = "every phase at rest" if len(entries) == of else f"{len(entries)} of {of} phases so far"
    source = f"{record.make} ({record.version}), options {record.options}, {part}"
    write_json_atomic(path, {"source": source, "entries": [one.as_dict() for one in entries]})
