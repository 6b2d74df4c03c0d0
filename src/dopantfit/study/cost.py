"""What a study will cost: core-hours, disk and wall time per stage, from rates measured on this machine.

A task of molecular dynamics costs (ions × ps) × seconds per ion and ps; a swap task attempts × seconds per attempt, and
its dynamics between bursts. Rates come from the records of an earlier run, else from a short calibration. The work of
an attempt grows with size as N^1.2: boundaries of 687 and 14,458 ions were measured (0.25 and about 10 s).
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from pathlib import Path

import numpy as np

from dopantfit.boundary.build.config import amorphous_counts
from dopantfit.potential import Potential
from dopantfit.study.crystals import doped_crystal, reference_size
from dopantfit.study.dynamics import dynamics_settings
from dopantfit.study.expected import ExpectedWidth, MobileCounts
from dopantfit.study.planned import Planned
from dopantfit.study.systems import Kind
from dopantfit.study.tasks import Planner
from dopantfit.workflow.graph import Graph, Task
from dopantfit.workflow.records import read_record

#: Length of the calibration run [ps] and its cell, in pseudo-cubic cells along an edge.
CALIBRATION, CALIBRATION_EDGE = 0.1, 1
#: The other run of the calibration is so many times as long.
LONGER = 8
#: Seconds per attempted swap of a boundary of so many ions, where no record tells, and how they grow with the ions.
_SWAP_SECONDS, _SWAP_IONS, _SWAP_GROWTH = 0.4, 1000.0, 1.2
#: Seconds of a full relaxation of a boundary of 1,000 ions; linear in the ions (700: 0.6 s, 14,000: 15 s).
_RELAXATION_SECONDS = 1.0
#: Bytes of one ion in a frame of a trajectory, and of a finished run beside its trajectory (structures, restarts).
_FRAME_BYTES, _RUN_BYTES = 12, 2000
#: Bytes of the tabulated guard in a task's two runs (equilibration or heating, production), whatever its size.
_TABLE_BYTES = 2.2e6
#: Seconds of a task that gathers results.
_SMALL = 5.0


@dataclass(frozen=True)
class Rates:
    """What work costs on one core: seconds per ion and ps, and per attempted swap of 1,000 ions; and the source."""

    dynamics: float
    swaps: float
    source: str


@dataclass(frozen=True)
class StageCost:
    """Cost of one stage. wall_hours: from the start of its first task to the end of its last."""

    stage: str
    tasks: int
    core_hours: float
    disk_gigabytes: float
    wall_hours: float


@dataclass(frozen=True)
class Cost:
    """Cost of a study on so many cores. expected: how wide its intervals will be, where runs that exist tell."""

    stages: tuple[StageCost, ...]
    core_hours: float
    disk_gigabytes: float
    wall_hours: float
    cores: int
    rates: Rates
    expected: tuple[ExpectedWidth, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """Return plain numbers, units in the names."""
        return {
            "core_hours": self.core_hours,
            "disk_GB": self.disk_gigabytes,
            "wall_hours": self.wall_hours,
            "cores": self.cores,
            "seconds_per_ion_ps": self.rates.dynamics,
            "seconds_per_swap_of_1000_ions": self.rates.swaps,
            "rates_from": self.rates.source,
            "checks": [one.as_dict() for one in self.expected],
            "stages": [
                {
                    "stage": one.stage,
                    "tasks": one.tasks,
                    "core_hours": one.core_hours,
                    "disk_GB": one.disk_gigabytes,
                    "wall_hours": one.wall_hours,
                }
                for one in self.stages
            ],
        }


def rates_of(folder: Path, graph: Graph) -> Rates | None:
    """Return the rates that records in a run folder show, each the median over tasks; None without any."""
    dynamics, swaps = [], []
    for task in graph.tasks.values():
        record = read_record(folder / task.name)
        measured = {} if record is None else record.measured
        if task.unit == "ps" and "ps_per_hour" in measured and measured.get("processor_seconds"):
            # What processors did, however busy the machine was.
            dynamics.append(measured["processor_seconds"] / task.cost / measured["ions"])
        elif task.unit == "ps" and "ps_per_hour" in measured:
            dynamics.append(3600.0 * measured["ranks"] / measured["ps_per_hour"] / measured["ions"])
        if task.unit == "swaps" and "core_seconds" in measured:
            swaps.append(measured)
    if not dynamics:
        return None
    rate = float(np.median(dynamics))
    attempts = [
        (one["core_seconds"] - one["ps"] * rate * one["ions"]) / one["attempts"] / _growth(one["ions"]) for one in swaps
    ]
    found = max(0.0, float(np.median(attempts))) if attempts else _SWAP_SECONDS
    return Rates(rate, found, f"{len(dynamics) + len(swaps)} records in {folder}")


def calibrated_rates(planner: Planner) -> Rates:
    """Measure the speed of molecular dynamics in a folder that goes again."""
    with tempfile.TemporaryDirectory() as scratch:
        return calibrate(planner, Path(scratch))


def calibrate(planner: Planner, folder: Path) -> Rates:
    """Measure the processor time of molecular dynamics of one crystal cell on one core.

    It is what a run takes that is longer than another, so that starting a program does not count. Raises what a run
    raises.
    """
    from dopantfit.lammps import Dynamics, Launcher, run_dynamics

    potential = Potential.load(planner.own_potential["potential"])
    atoms, _ = doped_crystal(planner.host, CALIBRATION_EDGE, 0.25, "", 0, {}, np.random.default_rng(1))
    short = dynamics_settings(planner.study.engine, 1, 300.0, CALIBRATION)
    long = replace(short, duration=LONGER * short.duration)

    def seconds(settings: Dynamics, name: str) -> float:
        spent = sum(os.times()[:4])
        run_dynamics(atoms, potential, settings, folder / name, launcher=Launcher(ranks=1))
        return sum(os.times()[:4]) - spent

    longer_by = long.duration - short.duration
    rate = (seconds(long, "long") - seconds(short, "short")) / longer_by / len(atoms)
    return Rates(rate, _SWAP_SECONDS, f"{longer_by:g} ps of {len(atoms)} ions, just now")


#: What work costs when no measurement may enter, so that decisions are the same on any machine: as measured on one core
#: of a workstation, 160 to 2,700 ions.
MODEL = Rates(0.0125, _SWAP_SECONDS, "the model of costs")


def seconds_of(planner: Planner, graph: Graph, rates: Rates = MODEL) -> dict[str, float]:
    """Core seconds of every task."""
    ions = dict.fromkeys(graph.order, Sizes.of(planner).boundary) | Sizes.of(planner).by_task(planner.planned)
    swaps = planner.study.swaps
    between = swaps.rounds_per_layer * swaps.layers * swaps.relaxation * planner.study.doping.realisations
    return {name: task_seconds(task, ions[name], rates, between) for name, task in graph.tasks.items()}


def cost_of(planner: Planner, graph: Graph, rates: Rates, cores: int, ranks: int = 1) -> Cost:
    """Return the cost of a study on `cores` cores, `ranks` of which work on one task."""
    sizes = Sizes.of(planner)
    ions = dict.fromkeys(graph.order, sizes.boundary) | sizes.by_task(planner.planned)
    seconds = seconds_of(planner, graph, rates)
    begins, ends = schedule(graph, seconds, cores, ranks, planner.study.doping.realisations)
    stages: dict[str, list[str]] = {}
    for name in graph.order:
        stages.setdefault(graph.tasks[name].stage, []).append(name)
    found = tuple(
        StageCost(
            stage,
            len(names),
            sum(seconds[name] for name in names) / 3600.0,
            sum(_bytes(graph.tasks[name], ions[name], planner) for name in names) / 1e9,
            (max(ends[name] for name in names) - min(begins[name] for name in names)) / 3600.0,
        )
        for stage, names in stages.items()
    )
    return Cost(
        found,
        sum(one.core_hours for one in found),
        sum(one.disk_gigabytes for one in found),
        max(ends.values()) / 3600.0,
        cores,
        rates,
    )


def schedule(
    graph: Graph, seconds: Mapping[str, float], cores: int, ranks: int, walkers: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return when tasks begin and end [s] if each starts as soon as its needs are done and cores are free.

    seconds: of core time. Tasks take `ranks` cores, those that coordinate one for each of their walkers.
    """
    slots = max(1, cores // ranks)
    place = {name: number for number, name in enumerate(graph.order)}
    missing = {name: set(graph.tasks[name].needs.values()) for name in graph.order}
    needed_by: dict[str, list[str]] = {name: [] for name in graph.order}
    for name, needs in missing.items():
        for need in needs:
            needed_by[need].append(name)
    begins: dict[str, float] = {}
    ends: dict[str, float] = {}
    # Ready tasks, in the order of the graph.
    ready = [place[name] for name in graph.order if not missing[name]]
    running, now, free = list[tuple[float, str, int]](), 0.0, slots
    while ready or running:
        held = []
        while ready and free:
            number = heappop(ready)
            name = graph.order[number]
            wanted = min(slots, walkers) if graph.tasks[name].coordinates else 1
            if wanted > free:
                held.append(number)
                continue
            begins[name] = now
            heappush(running, (now + seconds[name] / (wanted * min(ranks, cores)), name, wanted))
            free -= wanted
        now, name, wanted = heappop(running)
        ends[name] = now
        free += wanted
        for later in needed_by[name]:
            missing[later].discard(name)
            if not missing[later]:
                held.append(place[later])
        for number in held:
            heappush(ready, number)
    return begins, ends


@dataclass(frozen=True)
class Sizes:
    """Numbers of ions: of the boundary, a crystal cell and an amorphous cell; mobile ones of the two cells."""

    boundary: int
    crystal: int
    amorphous: int
    mobile: MobileCounts

    @classmethod
    def of(cls, planner: Planner) -> "Sizes":
        """Return the sizes that a study will have."""
        config = planner.build_config()
        potential = Potential.load(planner.own_potential["potential"])
        counts = amorphous_counts(config, potential)
        host, grain = config.host, config.grain
        amorphous = sum(counts.values()) + host.polyanion.count * counts[host.polyanion.centre]
        units = host.units_in((grain.in_plane, grain.in_plane, grain.thickness))
        crystal = sum(host.formula_unit.values()) * units + host.mobile_per_partner() * round(config.x * units)
        crystals = planner.study.crystals
        in_cell = host.units_in(crystals.edge)
        mobile = MobileCounts(host.mobile_in(in_cell, round(crystals.x * in_cell)), counts.get(host.mobile, 0))
        return cls(amorphous + crystal, reference_size(host, crystals.edge, crystals.x), amorphous, mobile)

    def by_task(self, planned: Planned) -> dict[str, int]:
        """Ions that each task of a crystal or a glass works on; all others work on the boundary."""
        kinds = {job.name: kind for kind, jobs in planned.by_kind() for job in jobs}
        return {name: self.crystal if kind is Kind.CRYSTAL else self.amorphous for name, kind in kinds.items()}


def task_seconds(task: Task, ions: int, rates: Rates, between: float) -> float:
    """Core seconds of a task; between: molecular dynamics of all walkers of a swap task [ps]."""
    if task.unit == "relaxations":
        return task.cost * _RELAXATION_SECONDS * ions / 1000.0
    if task.unit == "swaps":
        return task.cost * rates.swaps * _growth(ions) + ions * between * rates.dynamics
    return task.cost * ions * rates.dynamics if task.unit == "ps" else _SMALL


def _growth(ions: float) -> float:
    """Cost of an attempt in a cell of so many ions, over that in one of 1,000."""
    return float((ions / _SWAP_IONS) ** _SWAP_GROWTH)


def _bytes(task: Task, ions: int, planner: Planner) -> float:
    if task.unit == "ps":
        return ions * (task.cost / planner.study.engine.frame_interval * _FRAME_BYTES + _RUN_BYTES) + _TABLE_BYTES
    if task.unit == "swaps":
        return ions * _RUN_BYTES * planner.study.doping.realisations
    return 20_000.0
