"""What a gate says: numbers held against thresholds, each threshold with its reason."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from dopantfit.statistics import TWO_SIDED_95
from dopantfit.workflow.progress import NOBODY, ProgressObserver, SilentObserver, WorkProgress

#: Largest part of a gate that is told while it works; only its finding is told as 1.
NEARLY_DONE = 0.99


@dataclass(frozen=True)
class GateWork:
    """Where a gate works, and who is told how far it is.

    runs: folder of its runs. figures: folder of the figures. cores: that a run may use. ranks: MPI ranks of each run,
    None for as many as its cores and its ions allow. name: of the gate. begin, share: of the gate, which part
    of it this is (0 to 1).
    """

    runs: Path
    figures: Path
    observer: ProgressObserver = NOBODY
    cores: int = 1
    ranks: int | None = None
    name: str = "gate"
    begin: float = 0.0
    share: float = 1.0

    def report(self, doing: str, done: float) -> None:
        """Tell what is done now, and which part of this work is finished (0 to 1)."""
        part = self.begin + self.share * done
        self.observer.show(self.name, WorkProgress(min(part, NEARLY_DONE), text=doing, of=1.0))

    def part(self, begin: float, share: float) -> Self:
        """The same work from `begin` on, of which it is so large a share."""
        return replace(self, begin=self.begin + self.share * begin, share=self.share * share)


@dataclass(frozen=True)
class PartObserver(SilentObserver):
    """Tells of a piece of work, by its name, that is a part of a gate."""

    work: GateWork
    name: str

    def show(self, work: str, progress: WorkProgress) -> None:
        """Say how far it is, in words, and what that is of the gate."""
        self.work.report(f"{self.name}: {progress.text}", progress.done / (progress.of or 1.0))

    def part(self, begin: float, share: float) -> Self:
        """Tells of what begins there and is so large a share of this."""
        return replace(self, work=self.work.part(begin, share))


@dataclass(frozen=True, slots=True)
class Threshold:
    """The range that a number must lie in (both ends included), its unit, and why.

    ceiling: whether no number of its kind can be above `high`, such as a share of 1, so that only `low` decides.
    """

    low: float
    high: float
    unit: str
    reason: str
    ceiling: bool = False

    def check(self, name: str, value: float, error: float | None = None) -> "Check":
        """Hold a number with its standard error (None where it is exact, or one run's alone) against this threshold."""
        limits = (self.low,) if self.ceiling else (self.low, self.high)
        distance = min(abs(float(value) - limit) for limit in limits)
        decided = error is None or distance > TWO_SIDED_95 * error
        return Check(name, float(value), None if error is None else float(error), self, decided)


@dataclass(frozen=True, slots=True)
class Check:
    """One number of a gate.

    error: standard error, None where the number is exact, or one run's alone. decided: whether the value is on its side
    of the nearer limit with 95 % confidence.
    """

    name: str
    value: float
    error: float | None
    threshold: Threshold
    decided: bool

    @property
    def passed(self) -> bool:
        """Whether the value lies in its range; a value that is no number does not."""
        return self.threshold.low <= self.value <= self.threshold.high

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON; an open end, or a value that is no number, is null."""
        limit = self.threshold
        return {
            "name": self.name,
            "value": _finite(self.value),
            "error": _finite(self.error),
            "unit": limit.unit,
            "low": _finite(limit.low),
            "high": _finite(limit.high),
            "reason": limit.reason,
            "passed": self.passed,
            "decided": self.decided,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Check":
        """What `as_dict` wrote."""
        low = -math.inf if data["low"] is None else data["low"]
        high = math.inf if data["high"] is None else data["high"]
        value = math.nan if data["value"] is None else data["value"]
        limit = Threshold(low, high, data["unit"], data["reason"])
        return cls(data["name"], value, data["error"], limit, data["decided"])


@dataclass(frozen=True)
class Gate:
    """The verdict of one gate.

    finding: what was found, in one line. checks: the numbers that decide. figures: file names, each with a CSV of the
    same stem beside it. details: further numbers, JSON-like. problem: why it could not be judged, or what broke down.
    final: False where the machine, not the potential, may be to blame, so that it is tried again.
    """

    name: str
    finding: str
    checks: tuple[Check, ...]
    figures: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    final: bool = True
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every number is in its range; a gate without numbers has shown nothing."""
        return self.problem is None and bool(self.checks) and all(check.passed for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        rest = {key: value for key, value in asdict(self).items() if key != "checks"}
        return {**rest, "passed": self.passed, "checks": [check.as_dict() for check in self.checks]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Gate":
        """What `as_dict` wrote."""
        return cls(
            name=data["name"],
            finding=data["finding"],
            checks=tuple(Check.from_dict(check) for check in data["checks"]),
            figures=tuple(data["figures"]),
            details=data["details"],
            problem=data["problem"],
            final=data["final"],
            seconds=data["seconds"],
        )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
