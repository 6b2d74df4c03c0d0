"""Numbers and intervals as people read them; three-valued comparisons in words."""

import math

from dopantfit.statistics import Interval
from dopantfit.study.item_schemas import BETWEEN

#: From here on a ratio reads better as a power of ten.
_WIDE = 10.0


def rounded(value: float, digits: int = 3) -> str:
    """Return a number to so many significant digits, without an exponent where that stays readable."""
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    if value == 0.0:
        return "0"
    if not 1e-4 <= abs(value) < 1e5:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa}·10{_raised(int(exponent))}".replace("-", "−")
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}".replace("-", "−")


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def is_known(one: Interval) -> bool:
    """Whether anything is known beyond a sign: a finite upper end."""
    return math.isfinite(one.high)


def ranged(one: Interval, unit: str = "", factor: float = 1.0) -> str:
    """Return ``4.95 (4.90 to 5.01) Å``, ``< 3.2 Å`` or ``> 3.2 Å`` for a bound, ``not measured`` for nothing.

    What was counted without a spread, and so has no interval, stands alone.
    """
    after = f" {unit}" if unit else ""
    if not is_known(one):
        if one.low > 0.0:
            return f"> {rounded(one.low * factor, 2)}{after}"
        return "not measured" if math.isinf(one.low) else "unknown"
    if one.value == one.low == one.high:
        return f"{rounded(one.value * factor)}{after}"
    if one.value is None:
        return f"< {rounded(one.high * factor, 2)}{after}"
    low, high = rounded(one.low * factor), rounded(one.high * factor)
    return f"{rounded(one.value * factor)} ({low} to {high}){after}"


def equal_to(symbol: str, one: Interval, unit: str) -> str:
    """Return ``σ = 4.95 (4.90 to 5.01) S/cm``, ``σ < 3.2 S/cm`` for a bound, ``σ not measured`` for nothing."""
    text = ranged(one, unit)
    return f"{symbol} = {text}" if text[0].isdigit() or text[0] == "−" else f"{symbol} {text}"


def percent_change(ratio: Interval) -> str:
    """Return a ratio as a change in percent; as a ratio where it is far from 1."""
    if not is_known(ratio):
        if ratio.low > 0.0:
            return f"at least {rounded(ratio.low, 2)} times"
        return "unknown, because one of the two is only an upper bound"
    if ratio.value is None:
        return f"at most {rounded(ratio.high, 2)} times"
    if ratio.high > _WIDE or ratio.value < 1.0 / _WIDE:
        return f"{rounded(ratio.value, 2)} times ({rounded(ratio.low, 2)} to {rounded(ratio.high, 2)})"
    low, value, high = (f"{100.0 * (x - 1.0):+.2g}".replace("-", "−") for x in (ratio.low, ratio.value, ratio.high))
    return f"{value} % ({low} to {high} %)"


def direction(ratio: Interval, more: str = "higher", less: str = "lower") -> str:
    """Return `more` where the whole interval lies above 1, `less` where it lies below, else ``undecided``."""
    if ratio.low > 1.0:
        return more
    return less if ratio.high < 1.0 else "undecided"


def placed(site: str) -> str:
    """Return where a dopant sits, in words: on a kind of site, or between sites."""
    return "between sites" if site == BETWEEN else f"on {site}"


def listed(names: list[str]) -> str:
    """Join names as a sentence does."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else ""
