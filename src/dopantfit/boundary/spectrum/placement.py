"""Where dopants go, from sampled energies: shares of domains, kinds and depths at every temperature, with their bands.

A sampled site stands for as many as its stratum has for each that was sampled. Bands come from resampling: sites within
their strata, then arrangements within a site (a stratum that was taken whole has no error of sampling). The error of
the force field shifts all sites of a domain against the amorphous one by one amount, drawn anew for each resampling.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dopantfit.boundary.profile.domains import NAMES
from dopantfit.boundary.spectrum.config import Thermodynamics
from dopantfit.boundary.spectrum.occupation import FermiSites, dilute_weights, site_energies
from dopantfit.boundary.spectrum.record import Band, DopantPlacement, Layer
from dopantfit.boundary.spectrum.sites import DomainKind, ExchangeSite
from dopantfit.energy.arrays import Flags, Floats, Integers

GRAIN, AMORPHOUS = "grain", "amorphous"


@dataclass(frozen=True)
class LayerIons:
    """All ions of a bin of depth [Å] in one domain."""

    low: float
    high: float
    domain: str
    ions: int


@dataclass(frozen=True)
class SampledSpectrum:
    """Sampled sites with their energies, and what they stand for.

    energies: ``shape=(n_sites, n_arrangements)`` [eV]; NaN where unknown, infinite where there is no such state; every
    site has one that is no NaN. numbers: sites of each stratum. taken: of these, how many there were to sample from.
    ions: of each domain. held: dopants that the structure has in each domain. layers: bins of depth.
    """

    sites: Sequence[ExchangeSite]
    energies: Floats
    numbers: Mapping[DomainKind, float]
    taken: Mapping[DomainKind, int]
    ions: Mapping[str, int]
    held: Mapping[str, int]
    layers: Sequence[LayerIons]
    dopants: float

    @cached_property
    def weight(self) -> Floats:
        """How many sites each stands for, ``shape=(n_sites,)``."""
        strata = [site.stratum for site in self.sites]
        return np.array([self.numbers[one] / strata.count(one) for one in strata])

    @cached_property
    def domain(self) -> Integers:
        """Number of the domain of each site, ``shape=(n_sites,)``."""
        return np.array([NAMES.index(site.domain) for site in self.sites], dtype=np.int64)

    def members(self, domain: str, kind: str | None = None) -> Flags:
        """Which sites are in a domain, and of a kind where one is given, ``shape=(n_sites,)``."""
        return np.array([s.domain == domain and kind in (None, s.kind) for s in self.sites], dtype=np.bool_)

    def ensemble(self, interaction: float) -> FermiSites:
        """The sites as the statistics has them."""
        totals = [sum(number for (domain, _), number in self.numbers.items() if domain == name) for name in NAMES]
        held = [self.held.get(name, 0) / total if total else 0.0 for name, total in zip(NAMES, totals, strict=True)]
        return FermiSites(self.weight, self.domain, self.dopants, interaction, np.array(held))

    def resampled(self, count: int, rng: np.random.Generator) -> tuple[Integers, Floats]:
        """Sites ``(count, n_sites)`` and their energies ``(count, n_sites, n_arrangements)``, drawn anew."""
        chosen = np.tile(np.arange(len(self.sites)), (count, 1))
        for stratum, there in self.taken.items():
            mine = np.flatnonzero(self.members(*stratum))
            if len(mine) < there:
                chosen[:, mine] = rng.choice(mine, (count, len(mine)))
        known = ~np.isnan(self.energies)
        ordered = np.take_along_axis(self.energies, np.argsort(~known, axis=1, kind="stable"), axis=1)
        pick = (rng.random((count, *self.energies.shape)) * known.sum(axis=1)[chosen][..., None]).astype(int)
        return chosen, ordered[chosen[..., None], pick]


def placements(spectrum: SampledSpectrum, settings: Thermodynamics, seed: int) -> tuple[DopantPlacement, ...]:
    """Where the dopants are at every temperature; ConfigError where there are more of them than sites."""
    spectrum.ensemble(0.0).check()
    rng = np.random.default_rng([seed, 7])
    chosen, drawn = spectrum.resampled(settings.resamplings, rng)
    shifts = settings.exchange_error * rng.standard_normal((settings.resamplings, len(NAMES)))
    # Against the amorphous domain, where there is one: it is differences between domains that err.
    shifts[:, NAMES.index(AMORPHOUS)] = 0.0
    found = []
    for temperature in settings.temperatures:
        at = _At(spectrum, settings, temperature)
        central = at.fillings(spectrum.energies[None], 0.0)
        spread = at.fillings(drawn, 0.0)
        field = at.fillings(drawn, shifts[:, spectrum.domain]) if settings.exchange_error else None
        found.append(at.placement(central, _Draws(chosen, spread, field)))
    return tuple(found)


@dataclass(frozen=True)
class _Draws:
    """Resampled sites (b, n) and the dopants on what each stands for, without and with the force field's error."""

    chosen: Integers
    spread: Floats
    field: Floats | None


@dataclass(frozen=True)
class _At:
    """The statistics at one temperature [K]."""

    spectrum: SampledSpectrum
    settings: Thermodynamics
    temperature: float

    def fillings(self, energies: Floats, shift: Floats | float) -> Floats:
        """Dopants on the sites that each sampled one stands for, ``shape=(b, n_sites)``; (b, n_sites, m) energies."""
        ensemble = self.spectrum.ensemble(self.settings.interaction)
        free = site_energies(energies, self.temperature) + shift
        filled: Floats = ensemble.weight * ensemble.occupation(free, self.temperature)
        return filled

    def placement(self, central: Floats, draws: _Draws) -> DopantPlacement:
        """All shares with their bands. Resampling stays within strata: columns keep their domain and kind."""
        sites, ions = self.spectrum, self.spectrum.ions
        total = sites.dopants
        inside = {name: mine for name in NAMES if (mine := sites.members(name)).any()}
        kinds = sorted({site.kind for site in sites.sites if site.domain == GRAIN})
        of_kind = {one: sites.members(GRAIN, one) for one in kinds}

        def share(mine: Flags) -> Band:
            return self._band(central, draws, lambda filled: filled[..., mine].sum(axis=-1) / total)

        ratio = dilute = None
        if GRAIN in inside and AMORPHOUS in inside:
            scale = ions[AMORPHOUS] / ions[GRAIN]

            def fractions(filled: Floats) -> Floats:
                grain, amorphous = (filled[..., inside[one]].sum(axis=-1) for one in (GRAIN, AMORPHOUS))
                return np.asarray(scale * grain / np.maximum(amorphous, 1e-300))

            ratio = self._band(central, draws, fractions)
            free = site_energies(sites.energies, self.temperature)
            dilute = float(fractions(dilute_weights(sites.weight, free, self.temperature)))
        return DopantPlacement(
            temperature_K=self.temperature,
            share={name: share(mine) for name, mine in inside.items()},
            grain_kinds={one: share(mine) for one, mine in of_kind.items()},
            ratio=ratio,
            dilute_ratio=dilute,
            carriers={name: _carriers(central[0, mine]) for name, mine in inside.items()},
            layers=tuple(self._layers(central, draws)),
        )

    def _layers(self, central: Floats, draws: _Draws) -> list[Layer]:
        """At% of every layer: of each kind, sites of the layer hold what the sampled ones near it do on average.

        A resampled site takes its place in depth with it.
        """
        found = []
        depth = np.array([np.nan if site.depth is None else site.depth for site in self.spectrum.sites])
        for layer in self.spectrum.layers:
            here = self.spectrum.members(layer.domain) & (depth >= layer.low) & (depth < layer.high)
            if not here.any():
                continue

            def percent(filled: Floats, mine: Flags, ions: int = layer.ions) -> Floats:
                return np.asarray(100.0 * np.where(mine, filled, 0.0).sum(axis=-1) / ions)

            value = float(percent(central, here)[0])
            drawn = here[draws.chosen]
            ends = _ends(percent(draws.spread, drawn))
            field = (None, None) if draws.field is None else _ends(percent(draws.field, drawn))
            band = _made(value, ends, field)
            found.append(Layer(from_A=layer.low, to_A=layer.high, domain=layer.domain, percent=band))
        return found

    @staticmethod
    def _band(central: Floats, draws: _Draws, of: Callable[[Floats], Floats]) -> Band:
        field = (None, None) if draws.field is None else _ends(of(draws.field))
        return _made(float(of(central)[0]), _ends(of(draws.spread)), field)


def _ends(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def _made(value: float, ends: tuple[float, float], field: tuple[float | None, float | None]) -> Band:
    """A band that holds its own best estimate, which resampling a few sites may leave outside."""
    low, high = min(ends[0], value), max(ends[1], value)
    wide = field if field[0] is None or field[1] is None else (min(field[0], low), max(field[1], high))
    return Band(value=value, low=low, high=high, low_with_force_field=wide[0], high_with_force_field=wide[1])


def _carriers(filled: Floats) -> float:
    """How many sampled sites carry the dopants of a domain: (Σ n)² / Σ n²."""
    squares = float(np.sum(filled**2))
    return float(filled.sum() ** 2 / squares) if squares > 0.0 else 0.0
