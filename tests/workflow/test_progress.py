"""Work says how far it is: to a screen, or to a file that others read."""

import io

import pytest
from rich.console import Console

from dopantfit.workflow import progress
from dopantfit.workflow.progress import PROGRESS_FILE, ProgressFile, TimeLeft, WorkProgress, progress_of
from dopantfit.workflow.screen import ProgressScreen


def shown(terminal, *told):
    """What a screen shows of names and progress."""
    stream = io.StringIO()
    with ProgressScreen(Console(file=stream, force_terminal=terminal, width=160, color_system=None)) as screen:
        for work, one in told:
            screen.show(work, one)
        screen.say("[it] has happened")
    return stream.getvalue()


def test_a_log_has_a_line_for_each_tenth_of_each_work_and_what_happened():
    told = [("a", WorkProgress(0.25 * k, text=f"step {k}", of=8.0)) for k in range(33)]
    told.insert(5, ("b", WorkProgress(1.0, text="begun", of=2.0)))
    lines = shown(False, *told).splitlines()
    assert len([line for line in lines if line.startswith("a: ")]) == 11
    assert "b: begun" in lines and lines[-1] == "[it] has happened"


def test_work_whose_whole_is_not_known_has_a_line_for_other_words_and_work_without_words_has_none():
    words = [("a", WorkProgress(float(k), text=text)) for k, text in enumerate(["one", "one", "two", ""])]
    assert shown(False, *words, ("b", WorkProgress(1.0, of=2.0))).splitlines() == [
        "a: one",
        "a: two",
        "[it] has happened",
    ]


def test_a_terminal_has_a_bar_for_each_work():
    text = shown(True, ("a", WorkProgress(1.0, text="[half] way", of=2.0)), ("b", WorkProgress(1.0, text="begun")))
    assert "50%" in text and "[half] way" in text and "begun" in text and "[it] has happened" in text


def test_a_screen_that_is_told_nothing_shows_nothing():
    stream = io.StringIO()
    with ProgressScreen(Console(file=stream, force_terminal=True)):
        pass
    assert stream.getvalue() == ""


def test_a_file_carries_what_is_said_to_others(tmp_path):
    said = WorkProgress(3.0, 120.0, "three", 8.0)
    ProgressFile(tmp_path).show("any", said)
    assert progress_of(tmp_path) == said
    # As versions wrote it that knew of no whole.
    (tmp_path / PROGRESS_FILE).write_text('{"done": 2.0, "per_hour": null}')
    assert progress_of(tmp_path) == WorkProgress(2.0)
    (tmp_path / PROGRESS_FILE).write_text('{"done": 2.')
    assert progress_of(tmp_path) is None


def test_the_time_left_follows_from_the_pace_since_the_first_word(monkeypatch):
    now = iter([100.0, 110.0, 120.0, 130.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    left = TimeLeft()
    # 2 of 10 were there before: 10 s for 4, 4 left; then all done.
    assert [left(done, 10) for done in (2, 6, 8, 10)] == ["", ", 10 s left", ", 7 s left", ""]


@pytest.mark.parametrize(
    ("seconds", "words"), [(89.4, "89 s"), (90.0, "2 min"), (5400.0, "1.5 h"), (172_800.0, "2.0 d")]
)
def test_a_duration_is_said_in_the_unit_that_suits_it(seconds, words):
    assert progress.duration_in_words(seconds) == words
