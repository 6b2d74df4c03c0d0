"""The time between the frames of a recording: from its own times, from steps and a time step, or as given."""

import numpy as np

from dopantfit.errors import ConfigError
from dopantfit.transport.recording import Recording
from dopantfit.transport.trajectory import Floats

#: Largest relative deviation of one interval between frames from another: float32 time steps, rounded times.
_EQUAL = 1e-4
#: Largest relative deviation of a time that was given from that of the file which is not worth a word.
_AGREE = 1e-3
#: Longest time step [ps] that ions can be followed with; a file with a longer one counts in other units.
_LONGEST_STEP = 0.01


def interval_of(
    recording: Recording, timestep: float | None, interval: float | None, timed: bool
) -> tuple[float, list[str]]:
    """Time between frames [ps], and words on what was given and is not what the file says.

    timestep: of the molecular dynamics [ps]; interval: between frames [ps]; they come before what the file says.
    timed: False where nothing depends on it; it is then 1 ps where it is not known.
    Raises ConfigError when it is not known, not positive, or the frames are not equally spaced.
    """
    source = recording.source
    for name, value in (("timestep", timestep), ("interval", interval)):
        if value is not None and not 0.0 < value < float("inf"):
            raise ConfigError(f"--{name} {value:g}: {source} needs a time in ps that is positive; give that of the run")
    for name, marks in (("step", recording.steps), ("time", recording.times)):
        if marks is not None and not (name == "time" and recording.steps is not None):
            _check_equidistant(marks, name, source)
    found, own = _given(recording, timestep, interval), _unchecked(recording)
    if found is None and not timed:
        return 1.0, []
    if found is None and timestep is not None and recording.times is None:
        raise ConfigError(f"{source}: its frames carry no steps; give the time between them with --interval, in ps")
    if found is None:
        return _own(recording), []
    if own is not None and abs(found - own) > _AGREE * found:
        return found, [f"{source}: frames are {own:g} ps apart by the file, {found:g} ps as given; the latter is taken"]
    return found, []


def _given(recording: Recording, timestep: float | None, interval: float | None) -> float | None:
    source, per_frame = recording.source, _steps_per_frame(recording)
    by_steps = None if timestep is None or per_frame is None else timestep * per_frame
    if interval is None:
        return by_steps
    if by_steps is not None and abs(by_steps - interval) > _AGREE * interval:
        raise ConfigError(
            f"{source}: --timestep makes frames {by_steps:g} ps apart, --interval {interval:g}; give one of the two"
        )
    return interval


def _steps_per_frame(recording: Recording) -> float | None:
    steps = recording.steps
    return None if steps is None else float((steps[-1] - steps[0]) / (len(steps) - 1))


def _unchecked(recording: Recording) -> float | None:
    """Time between frames by the file itself."""
    times, per_frame = recording.times, _steps_per_frame(recording)
    if times is not None:
        return float((times[-1] - times[0]) / (len(times) - 1))
    return None if recording.timestep is None or per_frame is None else recording.timestep * per_frame


def _own(recording: Recording) -> float:
    source, own, per_frame = recording.source, _unchecked(recording), _steps_per_frame(recording)
    if own is None and per_frame is not None:
        raise ConfigError(
            f"{source}: its frames carry steps, not times; give the time step of the run with --timestep, in ps"
        )
    if own is None:
        raise ConfigError(f"{source}: its frames carry no time; give the time between them with --interval, in ps")
    if not 0.0 < own < float("inf"):
        raise ConfigError(f"{source}: the time between frames is {own!r} ps, it must be positive; give the time step")
    if per_frame is not None and own / per_frame > _LONGEST_STEP:
        raise ConfigError(
            f"{source}: says a time step of {own / per_frame:g}, as ps too long to follow ions with (at most "
            f"{_LONGEST_STEP:g}); was it written in other units than LAMMPS metal? "
            "Give the time step with --timestep, in ps"
        )
    return own


def _check_equidistant(marks: Floats, name: str, source: str) -> None:
    """Refuse frames that are missing, doubled or out of order."""
    gaps = np.diff(marks)
    usual = float(np.median(gaps))
    wrong = (np.abs(gaps - usual) > _EQUAL * abs(usual)) | ~(gaps > 0.0)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ConfigError(
            f"{source}: {name} {marks[i]:g} is followed by {marks[i + 1]:g}, where frames are {usual:g} apart: "
            "frames are missing or doubled; take a stretch without gaps"
        )
