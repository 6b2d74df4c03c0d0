"""Gate g: the barrier of the mobile ion's hop, in the undoped host, and near and far from a dopant."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from textwrap import fill
from typing import Any

from ase.calculators.calculator import Calculator

from dopantfit.energy import ShellModel
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.reference.calculator import CalculatorSettings, LabelCalculator
from dopantfit.validate import thresholds
from dopantfit.validate.figures import COLOURS, MARKERS, label, new_figure, save_figure
from dopantfit.validate.gate import Check, Gate, GateWork
from dopantfit.validate.migration import (
    MakeCalculator,
    MigrationBarrier,
    MigrationPath,
    find_barrier,
    migration_path,
    relaxed_crystal,
    with_dopant,
)
from dopantfit.validate.settings import SETTINGS_FILE
from dopantfit.validate.subject import Subject

HOST, NEAR, FAR, REFERENCE = "host", "near the dopant", "far from it", "host, reference calculator"


@dataclass(frozen=True)
class Hop:
    """One path; `barrier` is None where it did not come to rest, and `problem` says why."""

    name: str
    barrier: MigrationBarrier | None
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers [eV]."""
        if self.barrier is None:
            return {"problem": self.problem}
        return {"forward_eV": self.barrier.forward, "backward_eV": self.barrier.backward}


def barrier(subject: Subject, work: GateWork) -> Gate:
    """Hold the barrier of the host's mobile ion against its limits, and against that of a reference calculator.

    The dopant's paths are reported, and decide nothing: it stands there without what would balance its charge.
    Raises ConvergenceError when the host's own path does not come to rest, ConfigError for a calculator that is none.
    """
    reference = calculator_of(subject)
    make = partial(ShellModel, subject.potential, background=True)
    path = _path(subject, make)
    hops = [Hop(HOST, find_barrier(path, make, _report(work, HOST, 0.1)))]
    replaced = subject.host.site_of(subject.dopant.formal_charge)
    for part, near, name in ((0.3, True, NEAR), (0.5, False, FAR)):
        doped = partial(with_dopant, path, replaced, subject.dopant.label, near)
        hops.append(_tried(name, doped, make, _report(work, name, part)))
    if reference is not None:
        hops.append(_of_reference(subject, reference, _report(work, REFERENCE, 0.7)))
    finding = _finding(subject, hops)
    return Gate(
        name="barrier",
        finding=finding,
        checks=tuple(_checks({hop.name: hop for hop in hops})),
        figures=(_draw(hops, work, finding),),
        details={"paths": {hop.name: hop.as_dict() for hop in hops}},
    )


def calculator_of(subject: Subject) -> Calculator | None:
    """Return the calculator that ``validate.toml`` names, if it names one; ConfigError where it cannot be made."""
    named = subject.settings.barrier
    if named is None:
        return None
    folder = subject.file.parent
    try:
        made: Calculator = LabelCalculator(CalculatorSettings(make=named.calculator), folder).calculator
    except ConfigError as problem:
        raise ConfigError(f"{folder / SETTINGS_FILE}: barrier: {problem}") from None
    return made


def _of_reference(subject: Subject, reference: Calculator, report: Any) -> Hop:
    def make() -> Calculator:
        return reference

    return Hop(REFERENCE, find_barrier(_path(subject, make), make, report))


def _path(subject: Subject, make: MakeCalculator) -> MigrationPath:
    return migration_path(relaxed_crystal(subject.host.conventional, make))


def _report(work: GateWork, name: str, part: float) -> Any:
    return lambda text: work.report(f"{name}: {text}", part)


def _tried(name: str, path: Callable[[], MigrationPath], make: MakeCalculator, report: Any) -> Hop:
    try:
        return Hop(name, find_barrier(path(), make, report))
    except (ConvergenceError, CollapseError, ConfigError) as problem:
        return Hop(name, None, str(problem))


def _checks(hops: Mapping[str, Hop]) -> list[Check]:
    own = hops[HOST].barrier
    assert own is not None
    checks = [thresholds.MIGRATION.check("barrier in the undoped host", own.forward)]
    other = hops[REFERENCE].barrier if REFERENCE in hops else None
    if other is not None:
        difference = own.forward - other.forward
        checks.append(thresholds.MIGRATION_DIFFERENCE.check("difference from the reference calculator", difference))
    return checks


def _finding(subject: Subject, hops: list[Hop]) -> str:
    told = []
    for hop in hops:
        found = hop.barrier
        if found is None:
            told.append(f"undecided {hop.name}")
        elif hop.name in (HOST, REFERENCE):
            told.append(f"{found.forward:.2f} eV ({hop.name})")
        else:
            told.append(f"{found.forward:.2f} and {found.backward:.2f} eV there and back {hop.name}")
    return f"a hop of {subject.mobile} takes {', '.join(told)}"


def _draw(hops: list[Hop], work: GateWork, title: str) -> str:
    figure, (panel,) = new_figure(width=6.5)
    rows = []
    for hop, colour, marker in zip(hops, COLOURS, MARKERS, strict=False):
        if hop.barrier is not None:
            whole = hop.barrier.distances[-1]
            panel.plot(hop.barrier.distances / whole, hop.barrier.energies, f"{marker}-", color=colour, label=hop.name)
            rows += [(hop.name, *pair) for pair in zip(hop.barrier.distances, hop.barrier.energies, strict=True)]
    label(panel, "part of the path, site to site", "energy (eV)")
    panel.legend(fontsize=8)
    return save_figure(figure, work.figures, "barrier", fill(title, 80), ("path", "distance_A", "energy_eV"), rows)
