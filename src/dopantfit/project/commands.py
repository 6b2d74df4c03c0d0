"""What comes after `dopantfit new`: the commands in their order, and what each costs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dopantfit.project.planned_sets import PlannedSet
from dopantfit.reference.plan import BoundaryCuts, CationExchange, Glass, Plan, load_plan
from dopantfit.reference.run import core_seconds
from dopantfit.reference.variants import start_ions
from dopantfit.structures import load_host

#: Of a universal model, SevenNet-l3i5, on one core [s].
_MODEL_SECONDS_PER_ION = 1.3 / 39
#: What the later steps took for Ga, 125 frames and the preset `quick`.
_LATER: tuple[tuple[str, str], ...] = (
    ("dopantfit check {fit}", "seconds"),
    ("dopantfit fit {fit}", "about 3 minutes on two cores"),
    ("dopantfit validate {fit}", "about 5 minutes on two cores"),
    ("dopantfit run {fit}", "fit, gates and study; that of Mg with the preset quick took 20 minutes of a core"),
)


@dataclass(frozen=True)
class Command:
    """A command to come, and what it costs, in words."""

    text: str
    cost: str


def commands(sets: Sequence[PlannedSet], fit: Path, code: str) -> tuple[Command, ...]:
    """What to do next, in order, once the files are written."""
    written = [command for one in sets for command in _labelling(one, code)]
    dopant = fit.name
    judges = [one.folder for one in sets if one.is_judge]
    compared = [
        Command(f"dopantfit reference compare {one.folder} {judge} --around {dopant}", "seconds, for the report")
        for judge in judges
        for one in sets
        if not one.is_judge
    ]
    first, *later = (Command(text.format(fit=fit), cost) for text, cost in _LATER)
    return (first, *written, *compared, *later)


def _labelling(one: PlannedSet, code: str) -> Iterator[Command]:
    """The commands that label a set."""
    plan, folder = load_plan(one.folder), one.folder
    sizes = ions_of(plan, folder)
    frames = sum(item.count for item in plan.configurations)
    at_most = " at most" if any(isinstance(item, CationExchange) for item in plan.configurations) else ""
    if not one.is_of_dft:
        minutes = _MODEL_SECONDS_PER_ION * sum(item.count * sizes[item.name] for item in plan.configurations) / 60
        time = f"about {minutes:.0f} core-minutes" if minutes >= 1.5 else "a core-minute"
        cost = f"{frames} frames{at_most}, {time} of a universal model"
        yield Command(f"dopantfit reference run {folder} --jobs 2", cost)
    elif code == "cp2k":
        hours = sum(item.count * core_seconds(sizes[item.name]) for item in plan.configurations) / 3600
        yield Command(
            f"dopantfit reference run {folder} --jobs 2",
            f"{frames} frames{at_most}, about {hours:.1f} core-hours of CP2K",
        )
    else:
        outputs = Path("runs") / f"{plan.set}-{code}"
        yield Command(f"dopantfit reference run {folder} --write-only {code}", f"{frames} frames at most")
        yield Command(f"dopantfit reference import {outputs} --set {folder}", "seconds, once they have run")


def ions_of(plan: Plan, folder: Path) -> dict[str, int]:
    """How many ions the configurations of each item have; of a boundary as many as it asks for."""
    found: dict[str, int] = {}
    for item in plan.configurations:
        if isinstance(item, Glass):
            unit = load_host(item.host, folder).polyanion
            found[item.name] = item.units * (1 + unit.count) + sum(item.cations.values())
        elif isinstance(item, BoundaryCuts):
            found[item.name] = item.ions
        elif item.start.end_of is not None:
            found[item.name] = found[item.start.end_of]
        else:
            found[item.name] = len(start_ions(item, folder))
    return found
