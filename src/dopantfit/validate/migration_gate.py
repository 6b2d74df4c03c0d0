"""Gate g: the barrier of the mobile ion's hop, in the undoped host, and near and far from a dopant."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator

from dopantfit.energy import ShellModel
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError, DopantFitError, EngineError
from dopantfit.reference.calculator import CalculatorSettings, LabelCalculator, in_words
from dopantfit.transport.activation import ActivationEnergy
from dopantfit.validate import thresholds
from dopantfit.validate.gate import Check, Gate, GateWork, PartObserver
from dopantfit.validate.migration import (
    MakeCalculator,
    MigrationPath,
    dopant_sites,
    migration_path,
    relaxed_crystal,
    with_dopant,
)
from dopantfit.validate.migration_figure import draw
from dopantfit.validate.minimum_path import SEED, MigrationBarrier, find_barrier
from dopantfit.validate.settings import SETTINGS_FILE
from dopantfit.validate.subject import Subject

HOST, NEAR, FAR = "host", "near the dopant", "far from it"
#: Sets of random displacements that a path next to the dopant is looked for with: ions give way there, and another set
#: may find another path.
_SETS = 2
#: Appended to the name of a path on the reference calculator.
REFERENCE = ", reference calculator"


@dataclass(frozen=True)
class Hop:
    """One path; `barrier` is None where it did not come to rest, and `problem` says why.

    place: HOST, NEAR or FAR. name: as records and figures have it. of_reference: found on the reference calculator.
    others: barriers there and back [eV] that other random displacements found, over a pass that is no lower.
    """

    place: str
    name: str
    of_reference: bool
    barrier: MigrationBarrier | None
    problem: str = ""
    others: tuple[tuple[float, float], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers [eV], and who moves."""
        found = self.barrier
        if found is None:
            return {"problem": self.problem}
        return {
            "forward_eV": found.forward,
            "backward_eV": found.backward,
            "mechanism": str(found.mechanism),
            "ions": found.mechanism.ions,
            "ions_together": found.mechanism.together,
            "rests_eV": [float(found.energies[number]) for number in found.rests],
            "other_displacements_eV": [list(one) for one in self.others],
        }


def barrier(subject: Subject, work: GateWork) -> Gate:
    """Hold the barrier of the host's mobile ion against its limits, and against that of a reference calculator.

    Near the dopant there is a path for every different place of it next to one of the three sites. The dopant's paths
    are reported, and decide nothing: it stands there without what would balance its charge.
    Raises ConvergenceError when the host's own path does not come to rest, ConfigError for a calculator that is none or
    does not know the host, EngineError when it has no path of the host.
    """
    diffusion, reference = subject.diffusion, calculator_of(subject)
    make = partial(ShellModel, subject.potential, background=True)
    hops = _hops(subject, make, "", work.part(0.0, 0.5 if reference else 1.0))
    if reference is not None:
        begun = {hop.name: hop.barrier.images for hop in hops if hop.barrier is not None}
        hops += _of_reference(subject, reference, begun, work.part(0.5, 0.5))
    own, of_reference = (
        [(hop.name, hop.barrier) for hop in hops if hop.of_reference == kind] for kind in (False, True)
    )
    title = f"energy along hops of {subject.mobile}"
    return Gate(
        name="barrier",
        finding=_finding(subject, hops, diffusion),
        checks=tuple(_checks({hop.name: hop for hop in hops})),
        figures=(draw(own, of_reference, diffusion, work.figures, title),),
        details={
            "paths": {hop.name: hop.as_dict() for hop in hops},
            "spread": _lowest(hops),
            **({} if diffusion is None else {"diffusion_eV": diffusion.energy.as_dict()}),
        },
    )


def calculator_of(subject: Subject) -> Calculator | None:
    """Return the calculator that ``validate.toml`` names, if it names one.

    Raises ConfigError where it cannot be made, or does not know the host or the dopant.
    """
    named = subject.settings.barrier
    if named is None or named.calculator is None:
        return None
    folder = subject.file.parent
    try:
        reference = LabelCalculator(CalculatorSettings(make=named.calculator), folder)
        path = migration_path(subject.host.conventional)
        doped = with_dopant(path, dopant_sites(path, _replaced(subject)).far, subject.dopant.label)
        reference.labelled(doped.start, "doped host")
    except DopantFitError as problem:
        raise ConfigError(f"{folder / SETTINGS_FILE}: barrier: {problem}") from None
    made: Calculator = reference.calculator
    return made


def _hops(
    subject: Subject,
    make: MakeCalculator,
    suffix: str,
    work: GateWork,
    begun: Mapping[str, Sequence[Atoms]] | None = None,
) -> list[Hop]:
    """The paths in the host, and near and far from the dopant; ConvergenceError where that in the host has no rest."""
    path = migration_path(relaxed_crystal(subject.host.conventional, make), subject.host.conventional)
    hops = []
    for number, place in enumerate(places := _places(subject)):
        hop = partial(Hop, place.kind, place.name + suffix, bool(suffix))
        told = PartObserver(work.part(number / len(places), 1.0 / len(places)), place.name + suffix)
        from_there = () if begun is None else begun.get(place.name, ())
        if place.kind == HOST:
            hops.append(hop(find_barrier(path, make, told, from_there)))
        elif place.site is None:
            hops.append(hop(None, place.problem))
        else:
            doped = with_dopant(path, place.site, subject.dopant.label)
            sets = _SETS if place.kind == NEAR and not from_there else 1
            hops.append(_tried(hop, doped, make, told, from_there, sets))
    return hops


@dataclass(frozen=True)
class _Place:
    """Where the dopant stands: at one site of the crystal, at none in the host, or nowhere, for the reason given."""

    kind: str
    name: str
    site: int | None = None
    problem: str = ""


def _places(subject: Subject) -> list[_Place]:
    path = migration_path(subject.host.conventional)
    try:
        sites = dopant_sites(path, _replaced(subject))
    except ConfigError as problem:
        return [_Place(HOST, HOST), *(_Place(kind, kind, problem=str(problem)) for kind in (NEAR, FAR))]
    near = [_Place(NEAR, f"{NEAR}, {length:.1f} Å from the empty site", site) for length, site in sites.near.items()]
    return [_Place(HOST, HOST), *near, _Place(FAR, FAR, sites.far)]


def _replaced(subject: Subject) -> str:
    return subject.host.site_of(subject.dopant.formal_charge)


def _tried(
    hop: Callable[..., Hop],
    path: MigrationPath,
    make: MakeCalculator,
    observer: PartObserver,
    begun: Sequence[Atoms],
    sets: int,
) -> Hop:
    """The path over the lowest pass that so many sets of random displacements find."""
    found: list[MigrationBarrier] = []
    problems: list[str] = []
    for number in range(sets):
        try:
            part = observer.part(number / sets, 1.0 / sets)
            found.append(find_barrier(path, make, part, begun, SEED + number))
        except (ConvergenceError, CollapseError, ConfigError) as problem:
            problems.append(str(problem))
    if not found:
        return hop(None, problems[0])
    lowest = min(found, key=lambda one: one.pass_energy)
    return hop(lowest, others=tuple((one.forward, one.backward) for one in found if one is not lowest))


def _of_reference(
    subject: Subject, reference: Calculator, begun: Mapping[str, Sequence[Atoms]], work: GateWork
) -> list[Hop]:
    """The same paths on a reference calculator, each begun from that of the potential."""

    def make() -> Calculator:
        return reference

    try:
        return _hops(subject, make, REFERENCE, work, begun)
    except DopantFitError as problem:
        raise EngineError(f"reference calculator: {problem}") from None
    except Exception as problem:  # a calculator is code of somebody else's
        raise EngineError(f"reference calculator: {in_words(problem)}") from None


def _beside(hops: Sequence[Hop], of_reference: bool = False) -> list[MigrationBarrier]:
    """The barriers next to the dopant, of the potential or of the reference calculator."""
    near = [hop for hop in hops if hop.place == NEAR and hop.of_reference == of_reference]
    return [hop.barrier for hop in near if hop.barrier is not None]


def _lowest(hops: Sequence[Hop]) -> dict[str, Any]:
    """The lowest and the highest barrier next to the dopant [eV], there and back."""
    found: dict[str, Any] = {}
    for suffix in ("", REFERENCE):
        if beside := _beside(hops, bool(suffix)):
            there, back = [one.forward for one in beside], [one.backward for one in beside]
            found[NEAR + suffix] = {
                "paths": len(beside),
                "forward_eV": [min(there), max(there)],
                "backward_eV": [min(back), max(back)],
            }
    return found


def _checks(hops: Mapping[str, Hop]) -> list[Check]:
    own = hops[HOST].barrier
    assert own is not None
    checks = [thresholds.MIGRATION.check("barrier in the undoped host", own.highest)]
    other = hops[HOST + REFERENCE].barrier if HOST + REFERENCE in hops else None
    if other is not None:
        difference = own.highest - other.highest
        checks.append(thresholds.MIGRATION_DIFFERENCE.check("difference from the reference calculator", difference))
    return checks


def _finding(subject: Subject, hops: Sequence[Hop], diffusion: ActivationEnergy | None) -> str:
    told = []
    for hop in hops:
        found = hop.barrier
        if found is None:
            told.append(f"undecided {hop.name}")
        elif hop.place == HOST:
            told.append(f"{found.highest:.2f} eV ({hop.name}: {found.mechanism})")
        else:
            told.append(
                f"{found.forward:.2f} and {found.backward:.2f} eV there and back {hop.name} ({found.mechanism})"
            )
    if len(beside := _beside(hops)) > 1:
        low, back = min(one.forward for one in beside), min(one.backward for one in beside)
        told[-1] += f"; the lowest of {len(beside)} paths near the dopant is {low:.2f} eV there, and {back:.2f} eV back"
    line = "" if diffusion is None else f"; E_a of its diffusion is {diffusion}"
    return f"a hop of {subject.mobile} takes {', '.join(told)}{line}"
