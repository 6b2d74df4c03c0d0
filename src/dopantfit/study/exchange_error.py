"""What an error of the potential's exchange energies does to the dopant's share in the grain.

Where dopants are few, the share goes with exp(-E/kT) of what energies in the grain exceed those in the boundary by: an
error of all of them alike multiplies it by one factor, whatever the spectrum of sites is. Where sites fill up it does
less. Errors of single sites that have nothing to do with each other are in both domains and mostly cancel; the error of
single exchanges is taken for that between domains, since by how much they cancel is not known.
"""

from math import exp, inf, log
from pathlib import Path

from dopantfit.statistics import TAIL_95, Interval, student_quantile
from dopantfit.study.config import StudyConfig
from dopantfit.study.verdict import Criterion, ExchangeAccuracy, FieldError, KnownError, at_most
from dopantfit.units import BOLTZMANN
from dopantfit.validate.record import known_exchange_error

#: Largest logarithm of a factor.
_LARGEST = 600.0


def accuracy_of(study: StudyConfig, potential: Path, validation: Path) -> ExchangeAccuracy:
    """How exact exchange energies of a study are, by its own word, else by gate ``exchange`` of its potential."""
    given, error = study.spectrum.exchange_error, None
    if given:
        error = KnownError(energy_eV=given, source="given in study.toml")
    elif (found := known_exchange_error(potential, validation)) is not None and found.value:
        error = KnownError(energy_eV=found.value, source=f"gate exchange: {found.name}")
    return ExchangeAccuracy(temperature_K=study.swaps.coldest, error=error)


def with_error(share: Interval, error: KnownError, kelvin: float, tail: float = TAIL_95) -> Interval:
    """A share at a temperature [K] with the error of exchange energies in its interval, beside its own."""
    spread = min(student_quantile(inf, 1.0 - tail) * error.energy_eV / (BOLTZMANN * kelvin), _LARGEST)
    return share.over(Interval(exp(-spread), exp(spread), 1.0))


def under_error(check: Criterion, accuracy: ExchangeAccuracy, tail: float) -> Criterion:
    """The check of a share with what an error of exchange energies does to its answer, where it has one.

    tail: probability beyond each end of its interval.
    """
    if check.answer == "undecided" or check.limit is None:
        return check
    thermal, known = BOLTZMANN * accuracy.temperature_K, accuracy.error
    end = check.interval.high if check.answer == "yes" else check.interval.low
    bears = thermal * abs(log(check.limit / max(end, exp(-_LARGEST))))
    if known is None:
        return check.bearing(FieldError(bears_eV=bears))
    wide = with_error(check.interval, known, accuracy.temperature_K, tail)
    answer = at_most(check.quantity, check.unit, wide, check.limit).answer
    return check.bearing(FieldError(bears_eV=bears, known=known, interval=wide, answer=answer))
