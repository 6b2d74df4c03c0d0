"""Requirement 1, the dopant stays out of the grains: answered from a chain of swaps and from spectra of its exchange.

The combined rule: where there are spectra, their interval decides, and the chain may veto. A chain that tried often
enough to be judged, and whose interval does not meet that of the spectra, contradicts them: then there is no answer.
Without spectra the chain decides alone, where it tried often enough. Both intervals stand with the check. The error of
the potential's own exchange energies decides nothing: see `dopantfit.study.exchange_error`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dopantfit.boundary.spectrum.answers import FEWEST_CARRIERS
from dopantfit.statistics import Estimate, Interval, interval_of, standard_error, widened_to
from dopantfit.study.bleeding_stage import GrainPenetration, by_boundary, unit_share
from dopantfit.study.config import Rules
from dopantfit.study.spectrum_stage import ExchangeSpectrum, mean_share
from dopantfit.study.verdict import Answer, Basis, Criterion, at_most, only_if

SHARE = "dopant fraction, grain over boundary"


def confinement(
    bled: GrainPenetration | None,
    spectra: Sequence[ExchangeSpectrum],
    rules: Rules,
    tail: float,
) -> tuple[Criterion, ...]:
    """Checks of the dopant's share in the grain and of its depth there. tail: probability beyond each end."""
    tried = 0.0 if bled is None else bled.attempts_per_dopant
    enough = tried >= rules.attempts_per_dopant
    reason = f"{tried:.3g} of the {rules.attempts_per_dopant:g} attempts per dopant ion and walker that are asked for"
    chain, of_spectra = _by_chain(bled, enough, reason, rules, tail), _by_spectra(spectra, rules, tail)
    less = _alone(chain, spectra) if of_spectra is None else _combined(of_spectra, chain, enough)
    depth = depth_check(bled, less.answer, rules, tail)
    # Of a grain without dopant the share alone speaks, whoever answered it.
    follows = bled is not None and bled.grain_fraction == 0.0
    depth = only_if(depth, enough or follows or depth.answer == "undecided", reason)
    return less, depth if bled is None else depth.resting_on(of_depths(bled))


def _by_chain(bled: GrainPenetration | None, enough: bool, reason: str, rules: Rules, tail: float) -> Criterion:
    share = interval_of(None if bled is None else bled.share(tail))
    check = only_if(at_most(SHARE, "", share, rules.grain_share), enough, reason)
    if bled is None:
        return check
    dopants, worth = sum(one.dopants for one in bled.grains), unit_share(bled.grains)
    return check.resting_on(Basis(source="walkers", count=len(bled.grains), dopants=dopants, exposure=worth))


@dataclass(frozen=True)
class _OfSpectra:
    """The check by spectra, and how they are known: how many sites, at what temperature."""

    check: Criterion
    words: str


def _by_spectra(spectra: Sequence[ExchangeSpectrum], rules: Rules, tail: float) -> _OfSpectra | None:
    """The check by spectra of independent boundaries; None where none of them answers."""
    known = [one for one in spectra if one.answers]
    if not known:
        return None
    interval, basis = _pooled([one.ratio for one in known if one.ratio is not None], tail)
    check = at_most(SHARE, "", interval, rules.grain_share).resting_on(basis)
    sites = sum(one.sites for one in known)
    words = f"spectrum of {sites} sites at {known[0].temperature_K:g} K: {_said(interval)}"
    return _OfSpectra(check, words)


def _pooled(ratios: Sequence[Estimate], tail: float) -> tuple[Interval, Basis]:
    """Mean of the logarithms of independent boundaries with Student's interval; of one its own."""
    if len(ratios) == 1:
        return widened_to(interval_of(ratios[0]), tail), Basis(source="spectra", count=1)
    found = mean_share([interval_of(one) for one in ratios])
    return found.interval(tail), Basis.of_ratio("spectra", found.count, found)


def _alone(chain: Criterion, spectra: Sequence[ExchangeSpectrum]) -> Criterion:
    """The chain decides; why spectra that there are do not."""
    if not spectra:
        return chain
    few = f"spectra do not count: fewer than {FEWEST_CARRIERS:g} of the sampled sites carry the dopants of a domain"
    return chain.answering(chain.answer, f"{chain.reason}; {few}" if chain.reason else few)


def share_in(check: Criterion) -> Interval:
    """The dopant's share as what follows from it has it: where spectra and chain contradict each other, all of both."""
    ways = [check.interval, *check.compared.values()]
    if all(one.low <= other.high for one in ways for other in ways):
        return check.interval
    return Interval(min(one.low for one in ways), max(one.high for one in ways), check.interval.value)


def _combined(spectra: _OfSpectra, chain: Criterion, enough: bool) -> Criterion:
    """The spectra decide; a chain that tried enough may veto."""
    mine, other = spectra.check.interval, chain.interval
    met = mine.low <= other.high and other.low <= mine.high
    check = spectra.check.comparing({"spectrum": mine, "chain": other})
    if enough and not met:
        return check.answering("undecided", f"{spectra.words}; the chain of swaps contradicts it: {_said(other)}")
    by_chain = f"chain of swaps: {_said(other)}" if enough else "the chain of swaps tried too little to be judged"
    parts = [spectra.check.reason, spectra.words, by_chain]
    return check.answering(check.answer, "; ".join(part for part in parts if part))


def _said(interval: Interval) -> str:
    return f"{interval.low:.3g} to {interval.high:.3g}"


def of_depths(bled: GrainPenetration) -> Basis:
    """What the interval of a depth comes from; without any in the grain it is answered with the share."""
    depths = by_boundary([one.depth for one in bled.grains], bled.ladders)
    if not bled.grain_fraction or len(depths) < 2:
        return Basis(source="share", count=len(depths))
    if bled.penetration_unknown:
        return Basis(source="depths", count=len(depths))
    variance = standard_error(depths) ** 2 * len(depths)
    return Basis(source="depths", count=len(depths), mean=sum(depths) / len(depths), spread=variance, within=0.0)


def depth_check(bled: GrainPenetration | None, share: Answer, rules: Rules, tail: float) -> Criterion:
    """Check of the depth of the dopant in the grain. share: what the check of its fraction says.

    Without any dopant there no depth can break the rule, so that it follows the fraction: however long a run is, it
    could never measure one.
    """
    depth = interval_of(None if bled is None else bled.depth(tail))
    check = at_most("depth of 95 % of the dopant in the grain", "Å", depth, rules.penetration)
    if bled is None:
        return check
    unknown = bled.penetration_unknown
    if bled.grain_fraction == 0.0:
        if share == "yes":
            return check.answering("yes", f"{unknown}: its fraction alone answers")
        return check.answering("undecided", f"{unknown}, and its fraction is undecided")
    if bled.explored_A < rules.penetration and not unknown:
        unknown = f"only {bled.explored_A:g} Å of the grain were open to it"
    return check.answering(check.answer, unknown or check.reason)
