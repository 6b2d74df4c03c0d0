"""A whole design: the search in its run folder, and the record of where it stands."""

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import exp, log
from pathlib import Path

import numpy as np

from dopantfit.design.choice import Measured, choose, expected_of, reference_below, shown_by
from dopantfit.design.front import Floats, front_of, hypervolume
from dopantfit.design.glasses import DesignTasks
from dopantfit.design.inputs import DesignInputs
from dopantfit.design.record import DESIGN_RECORD, DesignRecord, GlassRecord, NextComposition, TrialRecord, TrialStatus
from dopantfit.design.results import CompositionGlasses, glasses_of
from dopantfit.design.sampler import GainSampler
from dopantfit.design.search import Search, possible_front
from dopantfit.design.space import Composition
from dopantfit.design.storage import open_trials
from dopantfit.potential import Potential
from dopantfit.statistics import Interval
from dopantfit.study.amorphous import dose_counts
from dopantfit.study.run import try_worker
from dopantfit.study.verb import StudyWatch, others_beside
from dopantfit.workflow.driver import run_graph
from dopantfit.workflow.lock import run_folder
from dopantfit.workflow.pool import Pool
from dopantfit.workflow.provenance import Provenance
from dopantfit.workflow.work import Resources

#: Folder, in that of the run, of the tasks.
GLASSES = "glasses"


def run_design(
    design: DesignInputs, folder: Path, pool: Callable[[], Pool], resources: Resources, watch: StudyWatch
) -> DesignRecord:
    """Search in `folder`, or go on with it; return the record, which is also ``design.json`` there.

    pool: makes one, for every round. Raises ConfigError when the folder is held or another design's, and what
    `try_worker` raises before any task is begun.
    """
    started, folder = time.time(), folder.resolve()
    with run_folder(folder, design.file):
        sampler = GainSampler(
            design.space,
            design.settings.startup,
            design.settings.batch,
            design.seed,
            design.settings.candidates,
            design.is_allowed,
        )
        trials = open_trials(folder, design.key, sampler)
        search = Search(design, trials, sampler, partial(_measure, design, folder / GLASSES, pool, resources, watch))
        search.run()
        record = record_of(search, started)
        record.write(folder / DESIGN_RECORD)
    return record


def _measure(
    design: DesignInputs,
    folder: Path,
    pool: Callable[[], Pool],
    resources: Resources,
    watch: StudyWatch,
    tasks: DesignTasks,
) -> tuple[CompositionGlasses, dict[int, CompositionGlasses]]:
    workers = pool()
    graph = tasks.graph()
    with watch(graph, folder) as watcher:
        folder.mkdir(exist_ok=True)
        workers.trial = partial(try_worker, resources.launcher, folder)
        others = others_beside(folder.parent)
        summary = run_graph(graph, folder, workers, resources, watcher.observe, watcher.tick, design.file, others)
    return glasses_of(tasks, summary)


def record_of(search: Search, started: float) -> DesignRecord:
    """Return the record of a search that ended. started: ``time.time()`` at its start [s]."""
    design, host = search.design, search.design.host
    known = {number: search.sampler.refined[number] for number in search.known}
    files = {"design": design.file}
    files |= {f"study/{one.name}": one.file for one in design.dopants}
    files |= {f"potential/{one.name}": one.potential for one in design.dopants}
    gates = {one.name: one.status.problem or "" for one in design.dopants if not one.status.passed}
    return DesignRecord(
        host=host.name,
        mobile=host.mobile,
        reducible=host.reducible,
        framework=host.framework,
        temperature_K=design.dopants[0].study.amorphous.temperature,
        undoped=None
        if search.undoped is None
        else _glass_record(search, search.undoped, max(search.segments.values())),
        trials=tuple(_trials(search, known)),
        batch=design.settings.batch,
        hypervolumes=_hypervolumes(known, design.settings.trials, design.settings.batch),
        following=_following(search, known),
        grain={one.name: one.grain.why for one in design.dopants},
        gates=gates,
        record=Provenance.of(
            files,
            {"settings": design.settings.model_dump(mode="json"), "key": design.key},
            seed=design.seed,
            started=started,
        ),
    )


def _undoped(search: Search) -> GlassRecord | None:
    """The undoped glasses, which are run as long as the longest of the others."""
    return None if search.undoped is None else _glass_record(search, search.undoped, max(search.segments.values()))


def _trials(search: Search, known: Mapping[int, Measured]) -> list[TrialRecord]:
    """Every trial as it stands."""
    best, possible = _front(known), possible_front(search.known)
    found = []
    for number, one in search.made.items():
        glass = search.found[number]
        unknown = search.undoped is None or not glass.is_known
        over = (Interval.unknown(),) * 2 if unknown or search.undoped is None else glass.over(search.undoped)
        found.append(
            TrialRecord(
                number=number + 1,
                dopant=one.dopant,
                dose=one.dose,
                share=one.share,
                glass=_glass_record(search, glass, search.segments[number]),
                sigma_over_undoped=over[0],
                density_over_undoped=over[1],
                grain=search.design.dopant(one.dopant).grain.of(one.dose),
                status=_status(search, number, best, possible),
                remark="; ".join(glass.lost),
            )
        )
    return found


def _status(search: Search, number: int, best: set[int], possible: set[int]) -> TrialStatus:
    if number not in search.sampler.refined:
        return "failed"
    if not search.design.is_allowed(search.made[number]):
        return "excluded"
    return "front" if number in best else "possible" if number in possible else "dominated"


def _front(known: Mapping[int, Measured]) -> set[int]:
    """Numbers of the trials that no other is better than in both, by the best estimates."""
    numbers = list(known)
    return {numbers[place] for place in front_of(_points(known.values()))} if numbers else set()


def _points(known: Iterable[Measured]) -> Floats:
    found = [(log(one.sigma), -log(one.density)) for one in known]
    return np.array(found).reshape(len(found), 2)


def _glass_record(search: Search, glass: CompositionGlasses, segments: int) -> GlassRecord | None:
    """The glasses of a composition; None where too few came to an end."""
    if not glass.is_known:
        return None
    design, counts = search.design, glass.counts
    dopants = [one.name for one in design.dopants]
    framework = {label: counts.get(label, 0) for label in (*design.host.framework, *dopants)}
    doped = sum(counts.get(one, 0) for one in dopants)
    production = design.dopants[0].study.amorphous.production * segments
    return GlassRecord(
        counts=counts,
        replaced=glass.replaced,
        glasses=len(glass.cells),
        production_ps=production,
        percent=100.0 * doped / sum(counts.values()),
        shares={label: count / sum(framework.values()) for label, count in framework.items()},
        sigma_S_per_cm=glass.sigma,
        density_per_A3=glass.density,
    )


def _hypervolumes(known: Mapping[int, Measured], trials: int, batch: int) -> tuple[float, ...]:
    """Hypervolume of the front after every batch, down to one reference, by what is known now."""
    if not known:
        return ()
    reference = reference_below(_points(known.values()))
    ends = range(batch, trials + batch, batch)
    return tuple(
        hypervolume(_points([one for number, one in known.items() if number < end]), reference) for end in ends
    )


def _following(search: Search, known: Mapping[int, Measured]) -> NextComposition | None:
    """The composition worth making next; None where too little is known to choose."""
    design = search.design
    if len(known) < 2 or search.undoped is None or not search.undoped.cells:
        return None
    shown = shown_by([search.made[number] for number in known], list(known.values()))
    seed = int(np.random.default_rng([design.seed, design.settings.trials]).integers(2**31))
    found = choose(design.space, shown, [], design.is_allowed, design.settings.candidates, seed)
    one = found.composition
    sigma, less = expected_of(design.space, shown, one, seed)
    return NextComposition(
        dopant=one.dopant,
        dose=one.dose,
        share=one.share,
        sigma_S_per_cm=Interval(exp(sigma.low), exp(sigma.high), exp(sigma.value or 0.0)),
        density_per_A3=Interval(exp(-less.high), exp(-less.low), exp(-(less.value or 0.0))),
        gain=found.gain,
        shares=_expected_shares(search, one),
    )


def _expected_shares(search: Search, one: Composition) -> dict[str, float]:
    """Shares of the framework's ions and the dopant that a composition will have, from the undoped glasses."""
    design = search.design
    counts = {} if search.undoped is None else search.undoped.counts
    species = Potential.load(design.dopant(one.dopant).potential).species
    charges = {label: ion.formal_charge for label, ion in species.items()}
    replaced = dose_counts(counts, charges, one.dopant, design.host, one.dose, one.share)
    left = {label: counts.get(label, 0) - replaced[label] for label in design.host.framework}
    whole = sum(left.values()) + sum(replaced.values())
    return {**{label: count / whole for label, count in left.items()}, one.dopant: sum(replaced.values()) / whole}
