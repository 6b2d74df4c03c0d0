"""From a boundary to a ceramic: what pellets conduct, and their spectra.

`brick` is the brick layer and `circuit` its impedance; `pellet` carries intervals through both, `study_pellet` takes
the numbers of a study; `measured` holds what experiments gave, drawn beside; `window` is the electrochemical window.
"""

from typing import TYPE_CHECKING

from dopantfit.rooms import lazily

if TYPE_CHECKING:
    from dopantfit.ceramic.brick import BrickLayer
    from dopantfit.ceramic.circuit import Arc, Circuit, circuit_of
    from dopantfit.ceramic.measured import MeasuredSample, measured_of
    from dopantfit.ceramic.pellet import Pellet
    from dopantfit.ceramic.settings import CeramicSettings, load_ceramic
    from dopantfit.ceramic.study_pellet import StudyPellet, pellet_of
    from dopantfit.ceramic.window import Window, windows_of

__all__ = [
    "Arc",
    "BrickLayer",
    "CeramicSettings",
    "Circuit",
    "MeasuredSample",
    "Pellet",
    "StudyPellet",
    "Window",
    "circuit_of",
    "load_ceramic",
    "measured_of",
    "pellet_of",
    "windows_of",
]

__getattr__ = lazily(
    __name__,
    {
        "Arc": "circuit",
        "BrickLayer": "brick",
        "CeramicSettings": "settings",
        "Circuit": "circuit",
        "MeasuredSample": "measured",
        "Pellet": "pellet",
        "StudyPellet": "study_pellet",
        "Window": "window",
        "circuit_of": "circuit",
        "load_ceramic": "settings",
        "measured_of": "measured",
        "pellet_of": "study_pellet",
        "windows_of": "window",
    },
)
