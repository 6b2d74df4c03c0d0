"""The fit: from DFT frames to a potential with error bars.

``dopantfit.fit(folder)`` does it; `config` reads what people write, `record_schema` says what ``fit.json`` holds.
"""

from typing import TYPE_CHECKING

from dopantfit.rooms import lazily, make_verb

if TYPE_CHECKING:
    from dopantfit.fit.config import FitConfig, load_config
    from dopantfit.fit.record_schema import FitRecord
    from dopantfit.fit.verb import fit

__all__ = ["FitConfig", "FitRecord", "fit", "load_config"]

make_verb(__name__)
__getattr__ = lazily(
    __name__, {"FitConfig": "config", "FitRecord": "record_schema", "fit": "verb", "load_config": "config"}
)
