"""A fit that chooses its own frames: run the potential, label what its ensemble disagrees on, fit again.

The pieces are those of `reference` (configurations, labels) and `fit` (potential, ensemble, committee). A round goes on
from the files it left: the committee, the choice, the labels in the set, the record. Frames that are taken become items
of the set's plan, so that `dopantfit reference run` would label the same.
"""

import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dopantfit.errors import CollapseError, ConfigError, ConvergenceError, EngineError, ReferenceDataError
from dopantfit.fit import verb as fitting
from dopantfit.fit.committee import (
    Disagreement,
    Unlabelled,
    chosen,
    committee_files,
    errors_of,
    rank_correlation,
    rms,
    spread_of,
    spreads,
)
from dopantfit.fit.record import POTENTIAL_FILE
from dopantfit.pipeline.learn_plan import LearnPlan, add_to_plan, plan_learning
from dopantfit.pipeline.learn_record import RECORD_FILE, Choice, ChosenFrame, Ending, LearnRecord, LearnRound
from dopantfit.pipeline.steps import why_fit
from dopantfit.potential import Potential
from dopantfit.reference.collect import finished_frames, frames_of_the_set
from dopantfit.reference.frames import dump_frames, read_frames
from dopantfit.reference.generate import configurations
from dopantfit.reference.run import run_set
from dopantfit.workflow.folders import in_place_of, make_folder
from dopantfit.workflow.lock import run_folder
from dopantfit.workflow.names import default_run
from dopantfit.workflow.progress import ProgressObserver, Watch, unwatched
from dopantfit.workflow.provenance import sha256_of, write_json_atomic, write_text_atomic
from dopantfit.workflow.schema import parse_record, read_json

_COMMITTEE, _CHOICE, _ROUND, _SETTINGS = "committee", "choice.json", "round.json", "settings.json"
_REMEDY = "remove it, and run `dopantfit learn` again"


def learn(
    folder: str | Path,
    *,
    workers: int = 2,
    jobs: int = 1,
    ranks: int = 1,
    work: str | Path | None = None,
    watch: Watch = unwatched,
) -> LearnRecord:
    """Take the rounds that ``learn.toml`` in `folder` asks for; return what ``learn.json`` holds.

    workers: processes of a fit and of the committee. jobs, ranks: frames that are labelled at a time, and MPI ranks of
    each CP2K. work: folder that killed rounds resume from, ``runs/learn-<name>`` by default.
    Raises ConfigError, ReferenceDataError and EngineError, one line each, for what cannot be done.
    """
    plan = plan_learning(folder, jobs, ranks)
    place = Path(work) if work is not None else default_run("learn", plan.fit.name)
    with run_folder(place, plan.file):
        _check_settings(plan, place)
        with watch() as observer:
            return _Rounds(plan, place.resolve(), workers, jobs, ranks, observer).all()


def _check_settings(plan: LearnPlan, place: Path) -> None:
    """Refuse to go on with rounds that were begun with other settings."""
    settings = plan.config.model_dump(mode="json")
    file = place / _SETTINGS
    if not file.is_file():
        write_json_atomic(file, settings)
    elif read_json(file, _REMEDY) != settings:
        raise ConfigError(f"{place}: its rounds were begun with another {plan.file}; name another --work, or remove it")


@dataclass(frozen=True)
class _Rounds:
    """Rounds, done or to do. place: where they leave what they go on from."""

    plan: LearnPlan
    place: Path
    workers: int
    jobs: int
    ranks: int
    observer: ProgressObserver

    def all(self) -> LearnRecord:
        """Take every round that is not done, and fit what the last one labelled."""
        rounds: list[LearnRound] = []
        ended: Ending = "rounds"
        for number in range(1, self.plan.config.rounds + 1):
            file = self._folder(number) / _ROUND
            done = parse_record(LearnRound, file, _REMEDY) if file.is_file() else self._round(number)
            rounds.append(done)
            if not done.choice.taken:
                ended = "nothing sound" if done.choice.largest is None else "agreed"
                break
        self._fit()
        config = self.plan.config
        record = LearnRecord(name=self.plan.fit.name, limit=config.spread, rounds=tuple(rounds), ended=ended)
        record.write(self.plan.folder / RECORD_FILE)
        return record

    def _round(self, number: int) -> LearnRound:
        """Choose, label, and say how far off the potential was."""
        folder = make_folder(self._folder(number))
        if not (folder / _COMMITTEE).is_dir():
            self._fit()
            with in_place_of(folder / _COMMITTEE) as new:
                for file in (self.plan.folder / POTENTIAL_FILE, *committee_files(self.plan.folder)):
                    shutil.copy(file, new / file.name)
        file = folder / _CHOICE
        choice = parse_record(Choice, file, _REMEDY) if file.is_file() else self._choose(number)
        failed = self._label(number, choice) if choice.taken else {}
        done = self._outcome(number, choice, failed)
        write_json_atomic(folder / _ROUND, done.model_dump(mode="json"))
        return done

    def _fit(self) -> None:
        if why := why_fit(self.plan.folder):
            self.observer.say(f"fit: {why}")
            work = self.place / "fit"
            fitting.fit(self.plan.folder, workers=self.workers, work=work, watch=lambda: nullcontext(self.observer))

    def _choose(self, number: int) -> Choice:
        """Run the potential, ask the committee, keep what is taken as starts of the set."""
        potential, members = self._committee(number)
        candidates, lost = self._candidates(number)
        self.observer.say(f"round {number}: {len(members)} potentials on {len(candidates)} configurations")
        found = spreads(candidates, members, self.plan.dopant, self.workers)
        config = self.plan.config
        taken = chosen(candidates, found, config.frames, config.broken, config.apart)
        sound = [one.largest for one in found if one is not None and one.largest <= config.broken]
        if sound and max(sound) < config.spread:
            taken = []
        frames = []
        for rank, k in enumerate(taken):
            text = dump_frames([candidates[k].atoms])
            write_text_atomic(self._start(number, rank, make=True), text)
            frames.append(_chosen(self._frame_id(number, rank), candidates[k].name, found[k]))
        choice = Choice(
            potential_sha256=sha256_of(potential),
            members=len(members),
            candidates=len(candidates),
            broken=len(candidates) - len(sound),
            lost=lost,
            largest=max(sound) if sound else None,
            mean=float(np.mean(sound)) if sound else None,
            taken=tuple(frames),
        )
        write_json_atomic(self._folder(number) / _CHOICE, choice.model_dump(mode="json"))
        return choice

    def _candidates(self, number: int) -> tuple[list[Unlabelled], dict[str, str]]:
        """What the items of the plan give with the potential of a round, and why some gave nothing."""
        folder = self._folder(number)
        plan = self.plan.of_round(number, folder / _COMMITTEE / POTENTIAL_FILE)
        results = finished_frames(self.plan.plan, self.plan.set, folder)
        found: list[Unlabelled] = []
        lost: dict[str, str] = {}
        for item in self.plan.items:
            self.observer.say(f"round {number}: {item.name} ({item.kind}) runs")
            try:
                made = configurations(plan, self.plan.set, results, folder, only=(item.name,))
            except (CollapseError, ConvergenceError, EngineError, ReferenceDataError) as problem:
                lost[item.name] = str(problem)
                self.observer.say(f"round {number}: {item.name} gives none: {problem}")
                continue
            if made.waiting:
                lost[item.name] = made.waiting[0]
            for one in made.configurations:
                atoms = one.atoms.copy()
                atoms.info = {}
                found.append(Unlabelled(one.frame_id, item.name, atoms))
        return found, lost

    def _label(self, number: int, choice: Choice) -> dict[str, str]:
        """Label what was taken; return why frames failed. EngineError where all did."""
        names = [one.frame_id for one in choice.taken]
        starts = [self._start(number, rank).relative_to(self.plan.set.resolve()) for rank in range(len(names))]
        what = (
            f"Taken by `dopantfit learn` in round {number}: where the ensemble of {self.plan.fit.name} disagrees most."
        )
        add_to_plan(self.plan.set, names, starts, f"{self.plan.config.prefix}{number}", what)
        run = run_set(
            self.plan.set,
            work=self.place / "labels",
            jobs=self.jobs,
            ranks=self.ranks,
            only=tuple(names),
            observer=self.observer,
        )
        if len(run.failed) == len(names):
            raise EngineError(f"round {number}: no frame could be labelled: {next(iter(run.failed.values()))}")
        return dict(run.failed)

    def _outcome(self, number: int, choice: Choice, failed: dict[str, str]) -> LearnRound:
        """Hold the potential of the round, and the spread of its members, against the labels."""
        potential, members = self._committee(number)
        labelled = frames_of_the_set(self.plan.set)
        taken, spread, error = [], np.empty(0), np.empty(0)
        for rank, one in enumerate(choice.taken):
            if one.frame_id in failed:
                taken.append(one)
                continue
            off = errors_of(labelled[one.frame_id], Potential.load(potential))
            (start,) = read_frames(self._start(number, rank))
            found = spread_of(start, members, self.plan.dopant)
            if found is None:
                raise ReferenceDataError(f"{one.frame_id}: the committee of round {number} cannot be asked again")
            near = rms(off[found.near]) if found.near.any() else None
            taken.append(one.model_copy(update={"error": rms(off), "error_surroundings": near}))
            spread, error = np.concatenate([spread, found.ions]), np.concatenate([error, off])
        return LearnRound(
            number=number,
            choice=choice.model_copy(update={"taken": tuple(taken)}),
            failed=failed,
            correlation=rank_correlation(spread.tolist(), error.tolist()),
        )

    def _committee(self, number: int) -> tuple[Path, list[Potential]]:
        folder = self._folder(number) / _COMMITTEE
        files = sorted(path for path in folder.glob("*.toml") if path.name != POTENTIAL_FILE)
        return folder / POTENTIAL_FILE, [Potential.load(file) for file in files]

    def _folder(self, number: int) -> Path:
        return self.place / f"round-{number}"

    def _frame_id(self, number: int, rank: int) -> str:
        return f"{self.plan.config.prefix}{number}-{rank:02d}"

    def _start(self, number: int, rank: int, make: bool = False) -> Path:
        folder = self.plan.set.resolve() / "starts"
        return (make_folder(folder) if make else folder) / f"{self._frame_id(number, rank)}.extxyz"


def _chosen(frame_id: str, source: str, found: Disagreement | None) -> ChosenFrame:
    if found is None:
        raise ConfigError(f"{source}: cannot be taken")
    return ChosenFrame(
        frame_id=frame_id, source=source, spread=found.everywhere, spread_surroundings=found.surroundings
    )
