"""The tasks that gather the results of a study, in the order of the published figures, and the verdict."""

from collections.abc import Iterator, Sequence

from dopantfit.study import boundary_items, ensemble, glass_items, places, transport_items
from dopantfit.study.boundary_items import (
    CrystalOccupancy,
    DopantProfiles,
    DopedSystem,
    HostProfile,
    Penetrations,
    SiteOccupancy,
    SystemPenetration,
    TemperedSystem,
    Walkers,
)
from dopantfit.study.config import OWN, StudyConfig
from dopantfit.study.ensemble import EnsembleTable, PotentialRuns, SystemRuns
from dopantfit.study.glass_items import Densities, GlassCells, ReducibleDistance, Ternary
from dopantfit.study.items import Gathered
from dopantfit.study.mobile_density import DensityMap, mobile_density
from dopantfit.study.planned import AnyJob, Planned
from dopantfit.study.systems import Kind, System, crystal, glass
from dopantfit.study.transport_items import ArrheniusLine, ConductingSystem, Conductivities
from dopantfit.study.verdict import ExchangeAccuracy, Look
from dopantfit.study.verdict_stage import CompositionRuns, Question, verdict
from dopantfit.workflow.typed import Action, Settings, TypedTask


def result_jobs(study: StudyConfig, planned: Planned, accuracy: ExchangeAccuracy, look: Look) -> Iterator[AnyJob]:
    """Return one task for each result; each makes do with what finished."""
    # Profiles and walkers are shown of the first boundary: others have other heights, and tell the same story.
    profiles = tuple(
        DopedSystem(system=one.system, structures=tuple(job.output for job in one.ladders[0].doped))
        for one in planned.doped
    )
    yield _item(
        "01-dopant-profiles",
        boundary_items.dopant_profiles,
        DopantProfiles(dopant=study.dopant, boundaries=profiles),
    )
    bled = tuple(SystemPenetration(system=one.system, bleedings=one.bleedings) for one in planned.doped)
    yield _item("02-acceptance", boundary_items.acceptance, Penetrations(boundaries=bled))
    host = HostProfile(label=planned.host.substitution.partner, boundary=planned.boundaries[0].output)
    yield _item("03-host-profile", boundary_items.host_profile, host)
    yield from _crystal_jobs(study, planned)
    yield from _glass_jobs(study, planned)
    tempered = tuple(TemperedSystem(system=one.system, swaps=one.ladders[0].swaps.output) for one in planned.doped)
    yield _item("11-walkers", boundary_items.walkers, Walkers(boundaries=tempered))
    if study.ensemble.members:
        yield _item("ensemble", ensemble.ensemble, _ensemble(study, planned))
    yield TypedTask(places.VERDICT, "verdict", verdict, _question(study, planned, accuracy, look), tolerant=True)


def _crystal_jobs(study: StudyConfig, planned: Planned) -> Iterator[AnyJob]:
    volumes = {
        system: tuple(one.runs.equilibrated.output for one in found) for system, found in planned.crystals.items()
    }
    grown = []
    for one in planned.doped:
        system = one.system.as_kind(Kind.CRYSTAL)
        grown.append(CrystalOccupancy(system=system, bleedings=one.bleedings, volumes=volumes[system]))
    occupancy = SiteOccupancy(references=volumes[crystal()], crystals=tuple(grown))
    yield _item("04-site-occupancy", boundary_items.site_occupancy, occupancy)
    reference, last = planned.crystals[crystal()][0], planned.crystals[crystal(study.compositions[-1])][0]
    density = DensityMap(
        dopant=study.dopant,
        mobile=planned.host.mobile,
        system=last.runs.system,
        crystal=last.built.output,
        doped=last.runs.segments,
        reference=reference.runs.segments,
    )
    # A density that some of the runs lack would not be the same density: this one waits for all of them.
    yield TypedTask(places.item("05-mobile-density"), "items", mobile_density, density)
    systems = tuple(
        _conducting(system, [one.runs.outputs for one in found]) for system, found in planned.crystals.items()
    )
    conductivities = Conductivities(reference=crystal(), mobile=planned.host.mobile, systems=systems)
    yield _item("06-crystal-conductivities", transport_items.conductivities, conductivities)


def _glass_jobs(study: StudyConfig, planned: Planned) -> Iterator[AnyJob]:
    cells = tuple(
        GlassCells(system=system, volumes=tuple(one.runs.equilibrated.output for one in found))
        for system, found in planned.glasses.items()
    )
    labels = (*planned.host.framework, study.dopant)
    yield _item("07-ternary", glass_items.ternary, Ternary(labels=labels, glasses=cells))
    with_structures = tuple(
        one.model_copy(update={"structures": tuple(cell.structure.output for cell in planned.glasses[one.system])})
        for one in cells
    )
    distance = ReducibleDistance(label=planned.host.reducible, glasses=with_structures)
    yield _item("08-reducible-distance", glass_items.reducible_distance, distance)
    yield _item("09-densities", glass_items.densities, Densities(glasses=cells))
    systems = tuple(
        _conducting(system, [one.runs.outputs for one in found]) for system, found in planned.glasses.items()
    )
    conductivities = Conductivities(reference=glass(), mobile=planned.host.mobile, systems=systems)
    yield _item("10-amorphous-conductivities", transport_items.conductivities, conductivities)
    system = glass(study.amorphous.arrhenius_of)
    own = planned.runs_of(system).outputs
    second = () if own.hotter is None else (own.hotter,)
    points = (own.transport, *second, *(transport.output for _, transport in planned.hotter))
    yield _item("10-arrhenius", transport_items.arrhenius, ArrheniusLine(system=system, points=points))


def _conducting(system: System, structures: Sequence[SystemRuns]) -> ConductingSystem:
    """A system with the transport of all its structures."""
    return ConductingSystem(
        system=system,
        transports=tuple(one.transport for one in structures),
        hotter=tuple(one.hotter for one in structures if one.hotter is not None),
    )


def _ensemble(study: StudyConfig, planned: Planned) -> EnsembleTable:
    """The systems of the ensemble with every potential, the study's own among them, from the same structures."""
    members = study.ensemble.members
    own = PotentialRuns(potential=OWN, systems=tuple(planned.runs_of(system).outputs for system in members))
    return EnsembleTable(mobile=planned.host.mobile, systems=members, potentials=(own, *_other_potentials(planned)))


def _other_potentials(planned: Planned) -> tuple[PotentialRuns, ...]:
    return tuple(
        PotentialRuns(potential=label, systems=tuple(runs.outputs for runs in systems.values()))
        for label, systems in planned.ensemble.items()
    )


def _question(study: StudyConfig, planned: Planned, accuracy: ExchangeAccuracy, look: Look) -> Question:
    """The three requirements."""
    return Question(
        rules=study.rules,
        dopant=study.dopant,
        mobile=planned.host.mobile,
        reducible=planned.host.reducible,
        crystals=tuple(one.runs.outputs for one in planned.crystals[crystal()]),
        glasses=tuple(one.runs.outputs for one in planned.glasses[glass()]),
        compositions=tuple(
            CompositionRuns(
                index=i,
                bleedings=dosed.bleedings,
                spectra=dosed.spectra,
                crystals=tuple(one.runs.outputs for one in planned.crystals[crystal(i)]),
                glasses=tuple(one.runs.outputs for one in planned.glasses[glass(i)]),
            )
            for i, dosed in zip(study.compositions, planned.doped, strict=True)
        ),
        accuracy=accuracy,
        ensemble=_other_potentials(planned),
        look=look,
    )


def _item(name: str, action: Action[Settings, Gathered], settings: Settings) -> TypedTask[Gathered]:
    return TypedTask(places.item(name), "items", action, settings, tolerant=True)
