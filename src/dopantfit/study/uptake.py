"""What a dopant does to the grain: what it does to crystals that hold it, for as much of it as went into the grain.

A crystal has whole dopants, one at least, and may hold more or less than the grain. Dopants that are few act each by
itself, so that every one multiplies a conductivity, or a volume, by the same factor: the logarithm of the ratio to the
undoped crystal goes with their number. Between none and what crystals hold a loss is no smaller by this than by a
straight line. How much went in and what crystals lose are known as intervals, and multiplied as `Interval.times` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, isinf, log

from dopantfit.statistics import Interval
from dopantfit.study.bleeding_stage import GrainPenetration, elsewhere_of
from dopantfit.study.confinement import share_in
from dopantfit.study.dynamics import Equilibrated
from dopantfit.study.verdict import Basis, Criterion, Hotter

#: Above it exp overflows.
_LARGEST = 700.0


@dataclass(frozen=True)
class Uptake:
    """How much of the dopant that crystals hold went into the grain.

    part: of what they hold; without end where nothing is known. held: fraction of the dopant among the ions of a
    crystal. dopants: counted in the grains; exposure: what one of them is worth as a part, None where the part is not
    known from a count. attempts: of the chain, per dopant ion and walker; without end where spectra tell the part.
    """

    part: Interval
    held: float
    dopants: int
    exposure: float | None
    attempts: float

    @classmethod
    def of(
        cls, share: Criterion, bled: GrainPenetration | None, crystals: Sequence[Equilibrated], dopant: str
    ) -> "Uptake":
        """Return what is known. share: the check of the dopant's fraction in the grain over that in the boundary."""
        held = min((one.counts.get(dopant, 0) / one.atoms for one in crystals), default=0.0)
        counted = share.basis is not None and share.basis.source == "walkers"
        attempts = inf if not counted else 0.0 if bled is None else bled.attempts_per_dopant
        elsewhere = 0.0 if bled is None else elsewhere_of(bled.grains)
        if not held > 0.0 or not elsewhere > 0.0:
            return cls(Interval(0.0, inf), held, 0, None, attempts)
        known, per_share = share_in(share), elsewhere / held
        # None at all is the best estimate where none was found.
        part = Interval(max(known.low, 0.0) * per_share, known.high * per_share, (known.value or 0.0) * per_share)
        if not counted or share.basis is None or share.basis.exposure is None:
            return cls(part, held, 0, None, attempts)
        return cls(part, held, share.basis.dopants or 0, share.basis.exposure * per_share, attempts)

    def in_grain(self, ratio: Interval) -> Interval:
        """Ratio to the undoped crystal that the grain has, where crystals have `ratio`; of what is not known, none."""
        if isinf(ratio.low) and isinf(ratio.high):
            return ratio
        ends = Interval(
            log(ratio.low) if ratio.low > 0.0 else -inf,
            log(ratio.high) if ratio.high > 0.0 else -inf,
            log(ratio.value) if ratio.value else None,
        )
        found = ends.times(self.part)
        low, high = (exp(min(end, _LARGEST)) for end in (found.low, found.high))
        high = inf if found.high > _LARGEST else high
        return Interval(low, high, None if found.value is None else exp(found.value))

    def hotter_in_grain(self, hotter: Hotter | None) -> Hotter | None:
        """The same of what a second temperature says."""
        if hotter is None:
            return None
        ratios = {"ratio": self.in_grain(hotter.ratio), "alone": self.in_grain(hotter.alone)}
        energy = None if hotter.energy_eV is None else hotter.energy_eV.times(self.part)
        return hotter.model_copy(update={**ratios, "energy_eV": energy})

    def basis(self, of_crystals: Basis) -> Basis:
        """Return what the interval of the grain comes from."""
        return of_crystals.model_copy(update={"dopants": self.dopants, "exposure": self.exposure})

    def told(self, check: Criterion, of_crystals: str, dopant: str) -> Criterion:
        """The check with what crystals have, in words, and how much dopant went into the grain, in its reason."""
        most, value = (100.0 * self.held * end for end in (self.part.high, self.part.value or 0.0))
        crystals = f"crystals with {100.0 * self.held:.2g} at% {dopant}: {of_crystals}" if self.held else ""
        grain = "" if isinf(most) else f"the grain has {value:.2g} at%, {most:.2g} at most"
        parts = (check.reason, crystals, grain)
        return check.answering(check.answer, "; ".join(part for part in parts if part))


def as_ratio(ratio: Interval) -> str:
    """Say a ratio."""
    return _said(ratio, ".3g", "")


def as_change(ratio: Interval) -> str:
    """Say a ratio as the change from one, in percent."""
    low, high = (100.0 * (end - 1.0) for end in (ratio.low, ratio.high))
    return _said(Interval(low, high, None if ratio.value is None else 100.0 * (ratio.value - 1.0)), "+.2f", " %")


def _said(interval: Interval, form: str, unit: str) -> str:
    if isinf(interval.high):
        return "not known"
    middle = "" if interval.value is None else f"{interval.value:{form}}{unit} "
    return f"{middle}({interval.low:{form}} to {interval.high:{form}})"
