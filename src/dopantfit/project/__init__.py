"""What stands before the first step: the files of a new dopant, and a look at all of them together."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dopantfit.rooms import lazily

if TYPE_CHECKING:
    from dopantfit.project.check_project import check
    from dopantfit.project.finding import ProjectFinding
    from dopantfit.project.new_dopant import NewDopant, new

__all__ = ["NewDopant", "ProjectFinding", "check", "new"]

__getattr__: Callable[[str], Any] = lazily(
    __name__, {"ProjectFinding": "finding", "NewDopant": "new_dopant", "check": "check_project", "new": "new_dopant"}
)
