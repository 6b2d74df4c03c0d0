"""What a second, higher temperature says of a ratio of conductivities at the study's own.

Where one mechanism carries the ions of both systems, with one activation energy, their ratio is the same at any
temperature, and a hot run, in which ions move more, says the same sooner. Whether it is so shows in the difference of
the two logarithms, pair by pair: over the difference of the two 1/kT it is that of the activation energies.
"""

from dopantfit.statistics import Interval, LogRatio, half_width, ratio_of, twofold_ratio
from dopantfit.statistics.twofold import Sides
from dopantfit.study.verdict import Hotter
from dopantfit.units import BOLTZMANN


def ratio_at_both(
    own: Sides, hot: Sides, temperatures: tuple[float, float], tail: float, joinable: bool = True
) -> tuple[Interval, LogRatio | None, Hotter]:
    """Ratio at the first of two temperatures [K], what it comes from, and what the second says.

    own, hot: of pairs. joinable: whether these are the same pairs, in the same order; else the second does not enter.
    tail: probability beyond each end.
    """
    (alone, why), (there, _) = ratio_of(*own, tail), ratio_of(*hot, tail)
    found, energy = (twofold_ratio(own, hot) if joinable else None), None
    if found is not None:
        cold, warm = (1.0 / (BOLTZMANN * kelvin) for kelvin in temperatures)
        half = half_width(found.difference.error, found.difference.count)
        ends = (found.difference.mean + shift for shift in (-half, half, 0.0))
        energy = Interval(*(end / (cold - warm) for end in ends))
    joined = found is not None and found.agree
    hotter = Hotter(temperature_K=temperatures[1], ratio=there, alone=alone, energy_eV=energy, joined=joined)
    if found is None or not joined:
        return alone, why, hotter
    return found.both.interval(tail), found.both, hotter


def remark(hotter: Hotter | None) -> str:
    """Say what a second temperature says, and whether it is in the answer."""
    if hotter is None:
        return ""
    told = f"at {hotter.temperature_K:g} K {_ends(hotter.ratio)}"
    if hotter.energy_eV is None:
        return f"{told}, not in the answer: no two pairs have numbers at both temperatures"
    energy = f"activation energies differ by {_ends(hotter.energy_eV)} eV"
    if hotter.joined:
        return f"{told} and {_ends(hotter.alone)} at the lower temperature, both in the answer: {energy}"
    return f"{told}, not in the answer: {energy}, which is another mechanism"


def _ends(interval: Interval) -> str:
    middle = "not known" if interval.value is None else f"{interval.value:.3g}"
    return f"{middle} ({interval.low:.3g} to {interval.high:.3g})"
