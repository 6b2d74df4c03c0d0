"""A result with its error: a number with an interval, or an upper bound where there is no number yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scipy.special import gammainccinv, gammaincinv


@dataclass(frozen=True, slots=True)
class Estimate:
    """A quantity as a run gives it.

    value: best estimate; None where the run shows no more than an upper bound.
    error: standard error (1σ) of `value`; None with it.
    low, high: 95 % interval. For an upper bound `low` is 0 and `high` the one-sided 95 % limit.
    """

    value: float | None
    error: float | None
    low: float
    high: float

    @property
    def is_upper_bound(self) -> bool:
        """Whether only `high` means anything."""
        return self.value is None

    @classmethod
    def upper_bound(cls, limit: float) -> "Estimate":
        """Make the statement that the quantity is below `limit` with 95 % confidence."""
        return cls(None, None, 0.0, float(limit))

    def scaled(self, factor: float) -> "Estimate":
        """Return the estimate of `factor` (positive, exact) times the quantity."""
        if self.value is None or self.error is None:
            return Estimate.upper_bound(self.high * factor)
        return Estimate(self.value * factor, self.error * factor, self.low * factor, self.high * factor)

    def as_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON: value, error and interval, or the upper bound alone."""
        if self.is_upper_bound:
            return {"upper_bound_95": self.high}
        return {"value": self.value, "error": self.error, "interval_95": [self.low, self.high]}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Estimate":
        """Read what `as_dict` gave; raises KeyError for anything else."""
        if "upper_bound_95" in entry:
            return cls.upper_bound(entry["upper_bound_95"])
        low, high = entry["interval_95"]
        return cls(entry["value"], entry["error"], low, high)

    def __str__(self) -> str:
        if self.value is None or self.error is None:
            return f"< {self.high:.2g}"
        return f"{self.value:.3g} ± {self.error:.1g}"


def chi_squared_quantile(probability: float, freedom: float) -> float:
    """Return x that chi squared of `freedom` degrees stays below with `probability`."""
    if probability > 0.5:
        return 2.0 * float(gammainccinv(0.5 * freedom, 1.0 - probability))
    return 2.0 * float(gammaincinv(0.5 * freedom, probability))
