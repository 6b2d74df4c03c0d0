"""What every reader of a code's output gives: the ionic steps of the run, in order, and which of them are wanted.

A step that cannot be a frame is kept with the reason, so that none is left out without a word.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from dopantfit.errors import ConfigError, ReferenceDataError

Array = npt.NDArray[np.float64]

_NUMBER = re.compile(r"[+-]?\d+")
_RANGE = re.compile(r"([+-]?\d*):([+-]?\d*)(?::(\d*))?")


@dataclass(frozen=True)
class IonicStep:
    """One ionic step of an output.

    atoms: cell and positions [Å], with energy [eV], forces [eV/Å] and stress [eV/Å³] in its calculator as far
        as they are printed; None where the output prints no configuration.
    unconverged: whether its self-consistency ran out of iterations.
    problem: what else keeps it from being a frame; empty if nothing does.
    """

    atoms: Atoms | None
    unconverged: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Output:
    """What one file holds: the steps of all its runs in order, numbered from 0.

    code: as a manifest names it. cut: what is missing at the end of a run that was cut; empty if none was.
    remarks: what the reader or the code itself has to say.
    """

    code: str
    steps: tuple[IonicStep, ...]
    cut: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class StepChoice:
    """Which ionic steps of an output to take.

    which: None for what is usual of the output, else ``first``, ``last``, ``all``, numbers from 0 such as ``0,3,-1``,
        or a range ``start:stop:stride``.
    converged_only: leave out, and name, the steps whose self-consistency did not converge.
    completed_part: of a run that was cut, take what was complete by then.
    Raises ConfigError when ``which`` is none of these.
    """

    which: str | None = None
    converged_only: bool = False
    completed_part: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no choice of steps."""
        if self.which is None:
            return
        words, span = self._words(), _RANGE.fullmatch(self.which.strip())
        listed = all(_NUMBER.fullmatch(word) for word in words)
        if self.which not in ("first", "last", "all") and not listed and (span is None or span[3] == "0"):
            raise ConfigError(
                f"--steps {self.which!r} is not understood; expected first, last, all, numbers from 0 (0,3,-1) or "
                f"a range (start:stop:stride, such as ::10)"
            )

    def with_default(self, usual: str) -> "StepChoice":
        """Return this choice, with `usual` where it leaves open which steps."""
        return self if self.which is not None else replace(self, which=usual)

    def numbers(self, steps: Sequence[int]) -> list[int]:
        """Return the chosen ones of the step numbers ``steps``; IndexError for one that is not there."""
        which = self.which or "last"
        if which in ("first", "last", "all"):
            return list({"first": steps[:1], "last": steps[-1:], "all": steps}[which])
        span = _RANGE.fullmatch(which.strip())
        if span is not None:
            start, stop, stride = (int(text) if text else None for text in span.groups())
            return list(steps[start:stop:stride])
        return sorted({steps[int(word)] for word in self._words()})

    def _words(self) -> list[str]:
        return [word.strip() for word in (self.which or "").split(",")]


def ionic_step(
    symbols: Sequence[str],
    positions: Array,
    cell: Array,
    energy: float | None,
    forces: Array | None,
    stress: Array | None = None,
    unconverged: bool = False,
    problem: str = "",
) -> IonicStep:
    """Return a step with what was computed for it.

    positions, cell: [Å], ``shape=(n, 3)`` and ``(3, 3)``. energy: [eV]. forces: [eV/Å], ``shape=(n, 3)``.
    stress: [eV/Å³], ``shape=(3, 3)``, positive under tension; NaN where it was printed and cannot be read.
    """
    for quantity, value in (("energy", energy), ("stress", stress)):
        if not problem and value is not None and not np.isfinite(value).all():
            problem = f"its {quantity} is not all numbers"
    atoms = Atoms(symbols, positions=positions, cell=cell, pbc=True)
    results: dict[str, object] = {}
    if energy is not None:
        results["energy"] = energy
    if forces is not None:
        results["forces"] = forces
    if stress is not None:
        results["stress"] = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    atoms.calc = SinglePointCalculator(atoms, **results)
    return IonicStep(atoms, unconverged, problem)


def table_of(rows: Sequence[str], columns: int = 3) -> Array | None:
    """Return rows of numbers; None if they are anything else, such as the asterisks of an overflow."""
    try:
        table = np.array([[float(word.replace("D", "E")) for word in row.split()] for row in rows])
    except ValueError:
        return None
    return table if table.shape == (len(rows), columns) and np.isfinite(table).all() else None


def printed_stress(table: Array | None) -> Array:
    """Return a stress that was printed, ``shape=(3, 3)``; NaN where these are not three rows of numbers."""
    return table if table is not None and len(table) == 3 else np.full((3, 3), np.nan)


def output_of_runs(
    code: str,
    text: str,
    starts: Sequence[int],
    last_words: str,
    read_run: Callable[[str], tuple[list[IonicStep], list[str]]],
) -> Output:
    """Return what a file of one run or more holds, each from its start in ``text`` to that of the next.

    last_words: what a run ends with that was not cut. read_run: the steps of a run, and remarks.
    """
    steps: list[IonicStep] = []
    remarks: list[str] = []
    cut = ""
    for number, (start, stop) in enumerate(zip(starts, [*starts[1:], len(text)], strict=True), 1):
        part = text[start:stop]
        cut = "" if last_words in part else last_words
        # A line that was cut may end within a number.
        found, said = read_run(part[: part.rfind("\n") + 1] if cut else part)
        if cut:
            found = completed_steps(found)
        if cut and number < len(starts):
            remarks.append(f"run {number} of {len(starts)} was cut; its {len(found)} completed steps count")
        steps += found
        remarks += said
    if len(starts) > 1:
        remarks.append(f"holds {len(starts)} runs with {len(steps)} ionic steps in all")
    return Output(code, tuple(steps), cut, tuple(dict.fromkeys(remarks)))


def completed_steps(steps: list[IonicStep]) -> list[IonicStep]:
    """Return the steps of a run that was cut, without the last if it lacks what the first has, or any result.

    One that did not converge stays: it is why some codes stop.
    """
    if not steps or steps[-1].unconverged or {"energy", "forces"} | _results(steps[0]) <= _results(steps[-1]):
        return steps
    return steps[:-1]


def _results(step: IonicStep) -> set[str]:
    return set() if step.atoms is None else set(step.atoms.calc.results)


def wanted_frames(output: Output, choice: StepChoice, name: str) -> tuple[list[tuple[int, Atoms]], list[str]]:
    """Return the chosen steps of an output with their numbers, and a line for everything left out.

    name: of the file, for messages. Raises ReferenceDataError when the run was cut (unless its completed part
    is wanted) or when a chosen step cannot be a frame.
    """
    remarks = list(output.remarks)
    if output.cut and not choice.completed_part:
        failed = output.steps and output.steps[-1].unconverged
        why = ", after a step whose self-consistency did not converge" if failed else ""
        raise ReferenceDataError(
            f"{name}: is truncated: {output.code} did not come to its end{why} (no {output.cut!r}); let the run "
            f"finish, repeat it, or take the steps that it completed with --completed-part"
        )
    if output.cut:
        remarks.append(f"was cut (no {output.cut!r}); {len(output.steps)} completed steps were found")
    frames: list[tuple[int, Atoms]] = []
    twins: dict[tuple[float, bytes], int] = {}
    for number in _numbers(output, choice, name, remarks):
        atoms = _frame_of(output.steps[number], f"{name}: frame {number}", output.code)
        first = twins.setdefault((atoms.calc.results["energy"], atoms.positions.tobytes()), number)
        if first == number:
            frames.append((number, atoms))
        else:
            remarks.append(f"frame {number} is frame {first} printed again, and left out")
    return frames, remarks


def _numbers(output: Output, choice: StepChoice, name: str, remarks: list[str]) -> list[int]:
    """Return the numbers of the chosen steps; those that did not converge are left out and named, if allowed."""
    every = range(len(output.steps))
    if not every:
        raise ReferenceDataError(f"{name}: holds no ionic step with an energy; repeat the calculation")
    failed = {number for number in every if output.steps[number].unconverged} if choice.converged_only else set()
    try:
        if choice.which in ("first", "last"):
            chosen = choice.numbers([number for number in every if number not in failed])
        else:
            chosen = choice.numbers(every)
    except IndexError:
        raise ReferenceDataError(
            f"{name}: has {len(every)} ionic steps, numbered from 0; --steps {choice.which} asks for another"
        ) from None
    if failed:
        listed = ", ".join(map(str, sorted(failed)))
        remarks.append(f"left out, since their self-consistency did not converge: steps {listed} of {len(every)}")
    chosen = [number for number in chosen if number not in failed]
    if not chosen:
        raise ReferenceDataError(f"{name}: --steps {choice.which} leaves none of its {len(every)} ionic steps")
    return chosen


def _frame_of(step: IonicStep, name: str, code: str) -> Atoms:
    """Return the configuration of a step with its results; ReferenceDataError says why it cannot be a frame."""
    if step.unconverged:
        raise ReferenceDataError(
            f"{name}: its self-consistency did not converge; allow {code} more iterations and repeat it, or leave "
            f"it out with --converged-only"
        )
    problem = step.problem or ("its ions and cell are not printed" if step.atoms is None else "")
    if step.atoms is not None and not problem:
        missing = [key for key in ("energy", "forces") if key not in step.atoms.calc.results]
        problem = f"has no {missing[0]}" if missing else ""
    if step.atoms is None or problem:
        raise ReferenceDataError(f"{name}: {problem}; repeat the calculation, or choose other steps with --steps")
    return step.atoms
