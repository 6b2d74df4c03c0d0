"""Rounds of learning as they were asked for, read and checked before any work."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dopantfit.errors import ConfigError
from dopantfit.fit.committee import committee_files
from dopantfit.fit.config import FitConfig, ReferenceSet, load_config
from dopantfit.pipeline.learn_config import LearnConfig, load_learning
from dopantfit.pipeline.steps import why_fit
from dopantfit.reference.collect import frames_of_the_set
from dopantfit.reference.labels import labels_of
from dopantfit.reference.manifest import MANIFEST_FILE, load_manifest
from dopantfit.reference.plan import (
    PLAN_FILE,
    BoundaryCuts,
    Channel,
    Glass,
    Item,
    MolecularDynamics,
    Plan,
    load_plan,
    parse_plan,
)
from dopantfit.strict_toml import toml_value
from dopantfit.workflow.provenance import write_text_atomic

#: Items of a plan that a potential makes.
RunItem = MolecularDynamics | Channel | Glass | BoundaryCuts
#: Between the seeds of an item in one round and the next.
_SEEDS = 1000


@dataclass(frozen=True)
class LearnPlan:
    """Rounds of learning. folder: of the fit. set: of the frames that are taken, plan: its plan, items: those run."""

    config: LearnConfig
    file: Path
    fit: FitConfig
    set: Path
    plan: Plan
    items: tuple[RunItem, ...]

    @property
    def folder(self) -> Path:
        """Of the fit."""
        return self.file.parent

    @property
    def dopant(self) -> str | None:
        """Label of the dopant; None for a fit without one."""
        return self.fit.dopant.label if self.fit.dopant else None

    def as_dict(self) -> dict[str, Any]:
        """What would be done, ready for JSON."""
        calculator = self.plan.calculator
        return {
            "set": str(self.set),
            "labels": "CP2K" if calculator is None else calculator.make,
            "items": [{"name": item.name, "kind": item.kind} for item in self.items],
            "candidates": self.config.candidates * len(self.items),
            "frames": self.config.frames,
            "rounds": self.config.rounds,
            "spread": self.config.spread,
            "members": len(committee_files(self.folder)),
            "fit": why_fit(self.folder) or "up to date",
        }

    def of_round(self, number: int, potential: Path) -> Plan:
        """The plan of the set with its items run by another potential, with seeds of their own."""
        changed = {item.name: _in_round(item, number, potential, self.config.candidates) for item in self.items}
        return self.plan.model_copy(
            update={"configurations": tuple(changed.get(item.name, item) for item in self.plan.configurations)}
        )


def plan_learning(folder: str | Path, jobs: int = 1, ranks: int = 1) -> LearnPlan:
    """Read ``learn.toml`` and what it needs; ConfigError or EngineError, one line, for what cannot be begun."""
    _, file = load_learning(folder)
    committee_files(file.parent)
    planned = learning_of(folder)
    with labels_of(planned.plan, planned.set, jobs, ranks) as labels:
        labels.begin()
        labels.check_manifest(planned.plan, load_manifest(planned.set), planned.set)
    return planned


def learning_of(folder: str | Path) -> LearnPlan:
    """What ``learn.toml`` asks for, with or without a fit yet; ConfigError where its files do not go together."""
    config, file = load_learning(folder)
    fit, fit_file = load_config(file.parent)
    place = Path(os.path.normpath(file.parent / config.set))
    sets = [one for one in fit.sets if os.path.realpath(file.parent / one.path) == os.path.realpath(place)]
    if not sets:
        raise ConfigError(
            f"{file}: set = {config.set!r} is no set of {fit_file}, which would not see the frames; add it to [[sets]]"
        )
    plan = load_plan(place)
    return LearnPlan(config, file, fit, place, plan, tuple(_items(config, file, plan, place, sets[0])))


def add_to_plan(place: Path, frame_ids: list[str], starts: list[Path], family: str, what: str) -> None:
    """Append the frames that were taken to the plan of a set; those that it has already are left as they are.

    starts: their files, relative to the set. Raises ConfigError where a name is taken, or nothing can be appended.
    """
    file = place / PLAN_FILE
    text, plan = file.read_text(encoding="utf-8"), load_plan(place)
    there = {item.name: item for item in plan.configurations}
    for frame_id, start in zip(frame_ids, starts, strict=True):
        old = there.get(frame_id)
        if old is not None:
            if getattr(getattr(old, "start", None), "file", None) != start.as_posix():
                raise ConfigError(f"{file}: has an item {frame_id!r} already; take another prefix in learn.toml")
            continue
        text += (
            f'\n# {what}\n[[configurations]]\nkind = "recompute"\nname = {toml_value(frame_id)}\n'
            f"family = {toml_value(family)}\nstart = {toml_value({'file': start.as_posix()})}\n"
        )
    try:
        parse_plan(text, str(file))
    except ConfigError as problem:
        raise ConfigError(f"{problem}; frames are appended as [[configurations]]: write yours so, too") from None
    write_text_atomic(file, text)


def _items(config: LearnConfig, file: Path, plan: Plan, place: Path, of: ReferenceSet) -> Iterator[RunItem]:
    """The items to run; ConfigError for one that cannot be."""
    held = of.held_out_families
    if held is None:
        held = load_manifest(place).split.held_out_families if (place / MANIFEST_FILE).is_file() else ()
    wanted = [plan.item(name) for name in config.items] or list(plan.configurations)
    found = False
    for item in wanted:
        what = None if isinstance(item, RunItem) else f"is of kind {item.kind}, which no potential runs"
        family = _family(item, plan, place)
        if what is None and family in held:
            what = f"has the family {family}, which is held out: its like would be fitted"
        if what is not None and config.items:
            raise ConfigError(f"{file}: items: {item.name} {what}; name others")
        if what is None and isinstance(item, RunItem):
            found = True
            yield item
    if not found:
        raise ConfigError(
            f"{file}: the plan of {place} has no items of kind md, channel, glass or boundary that are not held out; "
            "add what the potential shall run"
        )


def _family(item: Item, plan: Plan, place: Path) -> str:
    """The family that frames of an item have."""
    start = getattr(item, "start", None)
    if item.family is not None or start is None:
        return item.family or item.name
    if start.end_of is not None:
        return _family(plan.item(start.end_of), plan, place)
    frame = frames_of_the_set(place).get(start.frame) if start.frame is not None else None
    return item.name if frame is None else str(frame.info["family"])


def _in_round(item: RunItem, number: int, potential: Path, count: int) -> RunItem:
    how_many = {
        MolecularDynamics: "snapshots",
        Glass: "snapshots",
        Channel: "configurations",
        BoundaryCuts: "cuts",
    }[type(item)]
    changed: RunItem = item.model_copy(
        update={"potential": str(potential.resolve()), "seed": item.seed + _SEEDS * number, how_many: count}
    )
    return changed
