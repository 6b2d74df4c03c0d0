"""Which compositions of the glass conduct best with the least of the reducible ion: a search that learns as it goes.

A composition is made and run as the glasses of a study are; `front` and `surrogate` are the mathematics, `choice`
says which comes next, `storage` keeps the trials. ``dopantfit.design("fits/Mg")`` designs.
"""

from typing import TYPE_CHECKING

from dopantfit.rooms import lazily, make_verb

if TYPE_CHECKING:
    from dopantfit.design.front import expected_gain, front_of, hypervolume
    from dopantfit.design.record import DesignRecord
    from dopantfit.design.settings import DesignSettings, load_design
    from dopantfit.design.space import Composition, CompositionSpace

__all__ = [
    "Composition",
    "CompositionSpace",
    "DesignRecord",
    "DesignSettings",
    "expected_gain",
    "front_of",
    "hypervolume",
    "load_design",
]

__getattr__ = lazily(
    __name__,
    {
        "Composition": "space",
        "DesignRecord": "record",
        "DesignSettings": "settings",
        "CompositionSpace": "space",
        "expected_gain": "front",
        "front_of": "front",
        "hypervolume": "front",
        "load_design": "settings",
    },
)

make_verb(__name__)
