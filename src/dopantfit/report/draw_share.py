"""Where the dopant goes: its share in the grain by the chain of swaps, by spectra, and with the potential's error."""

from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any

from dopantfit.report import style
from dopantfit.report.style import Picture
from dopantfit.statistics import TAIL_95, Interval
from dopantfit.study.confinement import SHARE
from dopantfit.study.exchange_error import with_error
from dopantfit.study.item import Cell
from dopantfit.study.spectrum_shares import SpectrumShare, grain_shares
from dopantfit.study.summary import StudySummary
from dopantfit.study.systems import boundary
from dopantfit.study.verdict import Criterion
from dopantfit.workflow import figures

NAME = "grain-share"
COLUMNS = ("of", "temperature_K", "value", "low", "high", "low_with_error", "high_with_error", "counts", "limit")
_SPECTRUM, _CHAIN = "#0072B2", "#D55E00"
#: Below one in a million nothing can be told from nothing; above this no dopant is kept out.
FLOOR, CEILING = 1e-6, 3.0


def share_picture(study: StudySummary | None, folder: Path) -> Picture | None:
    """Draw the share of the highest dose into `folder`; None without its check."""
    if study is None or study.record.verdict is None:
        return None
    name = boundary(study.config.compositions[-1])
    answered = study.record.verdict.compositions.get(name.name)
    tail = study.record.verdict.tail
    check = None if answered is None else next((one for one in answered.checks if one.quantity == SHARE), None)
    if check is None:
        return None
    shares = grain_shares(study.folder, study.record, name)
    chain, kelvin = check.compared.get("chain", check.interval), study.config.swaps.coldest
    figure, (panel,) = style.new_figure(height=3.4)
    _spectra(panel, shares, check)
    if chain.high < float("inf"):
        if check.field is not None and check.field.known is not None:
            style.points(panel, [kelvin], [shown(_erring(chain, check, kelvin, tail))], "0.6")
            panel.plot([], [], "o", color="0.6", label="chain, with the same")
        style.points(panel, [kelvin], [shown(chain)], _CHAIN)
        panel.plot([], [], "o", color=_CHAIN, label="chain of swaps")
    if check.limit is not None:
        panel.axhline(check.limit, color="0.3", linewidth=0.8, linestyle="--", label="limit")
    figures.logarithmic(panel, "y")
    panel.set_ylim(FLOOR, CEILING)
    style.label(panel, "temperature (K)", f"{study.dopant} fraction, grain over boundary")
    style.legend(panel, 2)
    rows = [_row("spectrum", one.temperature_K, one.ratio, check, str(one.counts)) for one in shares]
    if chain.high < float("inf"):
        rows.append(_row("chain", kelvin, chain, check, "", tail))
    return style.save(figure, folder, NAME, said(shares, chain, kelvin), COLUMNS, rows)


def said(shares: Sequence[SpectrumShare], chain: Interval, kelvin: float) -> str:
    """What the figure shows, in a sentence."""
    at = next((one for one in shares if one.temperature_K == kelvin), None)
    if at is None:
        return f"The share in the grain by the chain of swaps at {kelvin:g} K; no spectra were kept."
    if not chain.high < float("inf"):
        return f"The share in the grain by spectra; what the chain of swaps has at {kelvin:g} K is not known."
    met = at.ratio.low <= chain.high and chain.low <= at.ratio.high
    word = "agree" if met else "do not agree"
    told = f"At {kelvin:g} K the chain of swaps and the spectra {word} within their errors"
    few = "" if at.counts else ", of which those of the spectra are unsure: too few sampled sites carry the dopant"
    return f"{told}{few}."


def _spectra(panel: Any, shares: Sequence[SpectrumShare], check: Criterion) -> None:
    """The curve with its band, dotted where it does not count, and a wider one with the potential's error."""
    kelvin = [one.temperature_K for one in shares]
    own = [shown(one.ratio) for one in shares]
    wide = [shown(_erring(one.ratio, check, one.temperature_K)) for one in shares]
    bands = [(own, 0.22, "95 %, by sites and boundaries")]
    if check.field is not None and check.field.known is not None:
        bands.insert(0, (wide, 0.08, f"with {check.field.known.energy_eV:.2g} eV of the potential"))
    for found, alpha, name in bands if shares else ():
        low, high = [one.low for one in found], [one.high for one in found]
        panel.fill_between(kelvin, low, high, color=_SPECTRUM, alpha=alpha, linewidth=0.0, label=name)
    values = [nan if one.value is None else one.value for one in own]
    counted = [value if one.counts else nan for one, value in zip(shares, values, strict=True)]
    if shares:
        panel.plot(kelvin, values, ".:", color=_SPECTRUM, markersize=4, label="spectra of exchange energies")
        panel.plot(kelvin, counted, color=_SPECTRUM, linewidth=1.4)


def _erring(share: Interval, check: Criterion, kelvin: float, tail: float = TAIL_95) -> Interval:
    """A share with the error of the potential, where it is known. tail: beyond each end of its interval."""
    known = None if check.field is None else check.field.known
    return share if known is None else with_error(share, known, kelvin, tail)


def shown(share: Interval) -> Interval:
    """A share within the panel: what is smaller runs along its lower edge, what is larger leaves it."""
    low, high = (min(max(end, FLOOR), 10.0 * CEILING) for end in (share.low, share.high))
    return Interval(low, high, None if share.value is None else min(max(share.value, FLOOR), 10.0 * CEILING))


def _row(of: str, kelvin: float, share: Interval, check: Criterion, counts: str, tail: float = TAIL_95) -> list[Cell]:
    wide = _erring(share, check, kelvin, tail)
    ends = share.value, share.low, share.high, wide.low, wide.high
    return [of, kelvin, *ends, counts, check.limit]
