"""Choosing ionic steps: what is left out is named, what cannot be a frame is refused by its number."""

import numpy as np
import pytest

from dopantfit.errors import ConfigError, ReferenceDataError
from dopantfit.reference.ionic_steps import IonicStep, Output, StepChoice, ionic_step, wanted_frames


def a_step(number: int, **changes: object) -> IonicStep:
    values = {"energy": -float(number), "forces": np.zeros((1, 3)), "stress": np.eye(3), **changes}
    return ionic_step(["Mg"], np.full((1, 3), number / 10), np.eye(3) * 4, **values)  # type: ignore[arg-type]


def a_run(*steps: IonicStep, **changes: object) -> Output:
    return Output("VASP", steps or tuple(a_step(k) for k in range(8)), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("which", "numbers"),
    [
        ("first", [0]),
        ("last", [7]),
        ("all", list(range(8))),
        ("::3", [0, 3, 6]),
        ("1:6:2", [1, 3, 5]),
        ("-2:", [6, 7]),
        (":2", [0, 1]),
        ("0,3", [0, 3]),
        ("3, 0,3", [0, 3]),
        ("-1", [7]),
    ],
)
def test_steps_are_chosen_by_word_number_or_range(which: str, numbers: list[int]) -> None:
    frames, remarks = wanted_frames(a_run(), StepChoice(which), "x")
    assert [number for number, _ in frames] == numbers and remarks == []
    assert [atoms.calc.results["energy"] for _, atoms in frames] == [-float(number) for number in numbers]


@pytest.mark.parametrize("which", ["", "some", "1;2", "::0", "::-1", "1.5", "1,,2", "0:1:2:3"])
def test_what_is_no_choice_of_steps_is_refused(which: str) -> None:
    with pytest.raises(ConfigError, match="is not understood; expected first, last, all, numbers from 0"):
        StepChoice(which)


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("8", "has 8 ionic steps, numbered from 0; --steps 8 asks for another"),
        ("-9", "--steps -9 asks for another"),
        ("20:", "--steps 20: leaves none of its 8 ionic steps"),
    ],
)
def test_a_step_that_is_not_there_is_refused(which: str, words: str) -> None:
    with pytest.raises(ReferenceDataError, match=f"x: .*{words}"):
        wanted_frames(a_run(), StepChoice(which), "x")


def test_steps_that_did_not_converge_are_left_out_by_name_or_refused() -> None:
    run = a_run(*(a_step(k, unconverged=k in (0, 2, 4)) for k in range(5)))
    for which in ("all", "last", "::2", "2"):
        with pytest.raises(ReferenceDataError, match=r"x: frame [024]: its self-consistency did not converge"):
            wanted_frames(run, StepChoice(which), "x")
    for which, numbers in (("all", [1, 3]), ("first", [1]), ("last", [3]), ("1,2", [1])):
        frames, remarks = wanted_frames(run, StepChoice(which, converged_only=True), "x")
        assert [number for number, _ in frames] == numbers
        assert remarks == ["left out, since their self-consistency did not converge: steps 0, 2, 4 of 5"]
    with pytest.raises(ReferenceDataError, match="leaves none of its 5 ionic steps"):
        wanted_frames(run, StepChoice("2", converged_only=True), "x")
    assert [number for number, _ in wanted_frames(run, StepChoice("1"), "x")[0]] == [1]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (a_step(1, energy=None), "has no energy"),
        (a_step(1, forces=None), "has no forces"),
        (a_step(1, problem="is odd"), "is odd"),
        (IonicStep(None), "its ions and cell are not printed"),
        (IonicStep(None, problem="is odd"), "is odd"),
    ],
)
def test_what_cannot_be_a_frame_is_refused_where_it_is_wanted(step: IonicStep, words: str) -> None:
    run = a_run(a_step(0), step)
    with pytest.raises(ReferenceDataError, match=f"x: frame 1: {words}"):
        wanted_frames(run, StepChoice("all"), "x")
    assert len(wanted_frames(run, StepChoice("first"), "x")[0]) == 1


def test_a_cut_run_is_refused_unless_its_completed_part_is_wanted() -> None:
    run = a_run(cut="JOB DONE.")
    with pytest.raises(ReferenceDataError, match=r"x: is truncated: VASP did not .* --completed-part"):
        wanted_frames(run, StepChoice("all"), "x")
    stopped = a_run(a_step(0), a_step(1, unconverged=True), cut="JOB DONE.")
    with pytest.raises(ReferenceDataError, match="after a step whose self-consistency did not converge"):
        wanted_frames(stopped, StepChoice("all"), "x")
    frames, remarks = wanted_frames(run, StepChoice("all", completed_part=True), "x")
    assert len(frames) == 8 and remarks == ["was cut (no 'JOB DONE.'); 8 completed steps were found"]
    with pytest.raises(ReferenceDataError, match="x: holds no ionic step with an energy"):
        wanted_frames(Output("VASP", (), cut="JOB DONE."), StepChoice("all", completed_part=True), "x")


def test_a_step_that_is_printed_twice_is_taken_once_and_told() -> None:
    frames, remarks = wanted_frames(a_run(a_step(0), a_step(1), a_step(1)), StepChoice("all"), "x")
    assert [number for number, _ in frames] == [0, 1]
    assert remarks == ["frame 2 is frame 1 printed again, and left out"]
