"""Whoever waits for a run is told how far it is, on a terminal and in a log."""

import io

import pytest
from rich.console import Console

from dopantfit.lammps.progress import DynamicsProgress
from dopantfit.workflow.screen import ProgressScreen, watched


def state(time, seconds_left=90.0):
    return DynamicsProgress(
        time=time,
        duration=20.0,
        rate=123.4,
        seconds_left=seconds_left,
        temperature=701.6,
        density=2.9471,
        pressure=1.0,
    )


def shown(terminal, times):
    """Return what a run reports of itself at these times [ps]."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=160, color_system=None)
    with ProgressScreen(console) as observer:
        for time in times:
            observer.show("equilibration", state(time).work)
    return stream.getvalue()


def test_the_text_says_how_far_how_fast_how_long_how_hot_and_how_dense():
    assert str(state(3.5)) == "3.50 of 20 ps, 123 ps/hour, 2 min left, 702 K, 2.947 g/cm³"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(89.0, "89 s left"), (5399.0, "90 min left"), (5401.0, "1.5 h left"), (36e3, "10.0 h left"), (2e5, "2.3 d left")],
)
def test_the_time_left_is_said_in_the_unit_that_suits_it(seconds, words):
    assert words in str(state(3.5, seconds))


def test_a_log_has_one_line_for_each_tenth():
    times = [0.2 * step for step in range(101)]
    lines = shown(False, times).splitlines()
    # Now, and at every tenth of 20 ps; rounding puts a tenth one report later at most.
    assert len(lines) == 11
    assert lines[0] == f"equilibration: {state(0.0)}"
    assert lines[-1] == f"equilibration: {state(20.0)}"
    reached = [float(line.split()[1]) for line in lines]
    assert reached == pytest.approx([2.0 * tenth for tenth in range(11)], abs=0.21)


def test_a_log_has_no_line_twice_when_a_run_goes_back():
    # A leg that is run again starts where the restart was written.
    assert len(shown(False, [3.0, 5.0, 3.0, 5.0, 5.5]).splitlines()) == 2


def test_a_terminal_has_a_bar_with_the_state_and_no_lines():
    text = shown(True, [0.0, 5.0, 19.0])
    assert "equilibration" in text and str(state(19.0)) in text
    assert "equilibration: " not in text


def test_standard_output_stays_free_for_results(capsys):
    with watched() as observer:
        observer.show("equilibration", state(1.0).work)
    out, error = capsys.readouterr()
    assert out == ""
    assert "1.00 of 20 ps" in error
