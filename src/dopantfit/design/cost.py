"""What a design will cost: glasses, picoseconds and core-hours, by rates measured on this machine."""

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from dopantfit.design.glasses import DesignTasks
from dopantfit.design.inputs import DesignInputs
from dopantfit.design.run import GLASSES
from dopantfit.study.cost import Rates, Sizes, calibrated_rates, rates_of, task_seconds
from dopantfit.workflow.graph import Graph


@dataclass(frozen=True)
class CostSpan:
    """From a design in which no composition is run longer than the first look, to one in which all are, to the end."""

    least: float
    most: float


@dataclass(frozen=True)
class DesignCost:
    """Cost of a design. ions: of a glass. days: of so many cores, all of them busy."""

    trials: int
    boundaries: int
    glasses: int
    ions: int
    picoseconds: CostSpan
    core_hours: CostSpan
    days: CostSpan
    cores: int
    rates_from: str
    seconds_per_ion_ps: float

    def as_dict(self) -> dict[str, object]:
        """Return plain numbers."""
        return asdict(self)


def design_cost(
    design: DesignInputs,
    folder: Path,
    cores: int | None,
    calibrating: Callable[[], None],
    rates: Rates | None = None,
) -> DesignCost:
    """Return what a design will cost on so many cores, those of this machine by default.

    folder: of its run, whose records tell the rates, where none are given; without any the speed of this machine is
    measured, in some seconds, after `calibrating` was called.
    """
    settings, few = design.settings, _tasks(design, 1)
    many, count = _tasks(design, settings.segments), cores or len(os.sched_getaffinity(0))
    rates = rates or rates_of(folder / GLASSES, few.graph())
    if rates is None:
        calibrating()
        rates = calibrated_rates(few.first)
    sizes = Sizes.of(few.first)
    hours = [_hours(one.graph(), sizes, rates) for one in (few, many)]
    return DesignCost(
        trials=settings.trials,
        boundaries=settings.quenches,
        glasses=(settings.trials + 1) * settings.quenches,
        ions=sizes.amorphous,
        picoseconds=CostSpan(_picoseconds(few.graph()), _picoseconds(many.graph())),
        core_hours=CostSpan(*hours),
        days=CostSpan(*(one / count / 24.0 for one in hours)),
        cores=count,
        rates_from=rates.source,
        seconds_per_ion_ps=rates.dynamics,
    )


def _tasks(design: DesignInputs, segments: int) -> DesignTasks:
    """All tasks, with so many segments of every run; which compositions they are of costs the same."""
    numbers = range(design.settings.trials)
    made = {number: design.space.start(number, design.seed) for number in numbers}
    return DesignTasks(design, made, dict.fromkeys(numbers, segments))


def _hours(graph: Graph, sizes: Sizes, rates: Rates) -> float:
    ions = {
        task.name: sizes.amorphous if task.stage == "amorphous" else sizes.boundary for task in graph.tasks.values()
    }
    return sum(task_seconds(task, ions[task.name], rates, 0.0) for task in graph.tasks.values()) / 3600.0


def _picoseconds(graph: Graph) -> float:
    return sum(task.cost for task in graph.tasks.values() if task.unit == "ps")
