"""One thing that was found before any work."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "to do"]


@dataclass(frozen=True)
class ProjectFinding:
    """What is wrong, in which file. severity: a step that is still to do is no error."""

    severity: Severity
    where: str
    what: str

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)
