"""The study: from a fitted potential to a verdict on doping a grain boundary with one dopant.

`systems` says what is compared, `tasks` which work that takes (each a function in a module of its own, from settings
and other tasks' outputs to a result), `verdict_stage` what the answer rests on, `record` what ``study.json`` holds.
"""

from typing import TYPE_CHECKING

from dopantfit.rooms import lazily, make_verb

if TYPE_CHECKING:
    from dopantfit.study.config import StudyConfig, load_study
    from dopantfit.study.record import StudyRecord
    from dopantfit.study.summary import StudySummary, read_summary
    from dopantfit.study.systems import System
    from dopantfit.study.tasks import Planner
    from dopantfit.study.verb import plan, study
    from dopantfit.study.verdict import Verdict

__all__ = [
    "Planner",
    "StudyConfig",
    "StudyRecord",
    "StudySummary",
    "System",
    "Verdict",
    "load_study",
    "plan",
    "read_summary",
    "study",
]

make_verb(__name__)
__getattr__ = lazily(
    __name__,
    {
        "Planner": "tasks",
        "StudyConfig": "config",
        "StudyRecord": "record",
        "StudySummary": "summary",
        "System": "systems",
        "Verdict": "verdict",
        "load_study": "config",
        "plan": "verb",
        "read_summary": "summary",
        "study": "verb",
    },
)
