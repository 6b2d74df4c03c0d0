"""Fermi-Langmuir statistics over a spectrum of energies: how many dopants each class of sites holds at a temperature.

A site holds one dopant or none, so that it is filled with f = 1 / (1 + exp((ε - µ)/kT)), and the chemical potential µ
is what gives the number of dopants (Fowler & Guggenheim; White & Coghlan, Metall. Trans. A 8, 1403 (1977), for a
distribution of energies; Wagih & Schuh, Acta Mater. 181, 228 (2019)). For few dopants f is proportional to
exp(-ε/kT): the dilute limit.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logsumexp

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.errors import ConfigError
from dopantfit.units import BOLTZMANN

#: Halvings of the interval that holds µ: from some hundred eV to 1e-16 eV.
_HALVINGS, _INNER_HALVINGS = 64, 44
#: Multiples of kT beyond which a site counts as full or empty, at the ends of the interval.
_BEYOND = 700.0


def site_energies(energies: Floats, temperature: float) -> Floats:
    """Free energy of each site over its arrangements [eV], ``shape=(..., n_sites)``.

    energies: of the arrangements [eV], ``shape=(..., n_sites, n_arrangements)``; NaN for one that is not known,
    infinite for one that has no minimum. -kT ln of the mean of exp(-E/kT): a site counts once, however many of its
    arrangements were relaxed.
    """
    known = ~np.isnan(energies)
    exponents = np.where(known, -energies / (BOLTZMANN * temperature), -np.inf)
    with np.errstate(divide="ignore"):
        found = logsumexp(exponents, axis=-1) - np.log(known.sum(axis=-1))
    return np.asarray(-BOLTZMANN * temperature * found)


@dataclass(frozen=True)
class FermiSites:
    """Sites in domains, and how many dopants they share.

    weight: how many sites each stands for, ``shape=(..., n)``. domain: number of the domain of each ``(n,)``. dopants:
    how many. interaction: ω [eV], held: mean occupation of the sites of each domain at which energies were found
    ``(n_domains,)``: in another one they are higher by ω (θ - held).
    """

    weight: Floats
    domain: Integers
    dopants: float
    interaction: float
    held: Floats

    def check(self) -> None:
        """Raise ConfigError where there are more dopants than sites."""
        sites = float(self.weight.sum(axis=-1).min())
        if not self.dopants < sites:
            raise ConfigError(f"{self.dopants:g} dopants do not fit on {sites:g} sites; ask for fewer")

    def occupation(self, energies: Floats, temperature: float) -> Floats:
        """Mean occupation of each site, between 0 and 1, ``shape=(..., n)``, energies [eV] of the same shape."""
        thermal = BOLTZMANN * temperature
        finite = np.isfinite(energies)
        lowest = np.where(finite, energies, np.inf).min(axis=-1)
        highest = np.where(finite, energies, -np.inf).max(axis=-1)
        low = lowest - _BEYOND * thermal
        high = highest + _BEYOND * thermal + self.interaction
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            filled = np.sum(self.weight * self._filled(energies, middle[..., None], thermal), axis=-1)
            low, high = np.where(filled < self.dopants, middle, low), np.where(filled < self.dopants, high, middle)
        return self._filled(energies, (0.5 * (low + high))[..., None], thermal)

    def _filled(self, energies: Floats, potential: Floats, thermal: float) -> Floats:
        """Occupations at a chemical potential, each domain's energies being those at its own mean occupation."""
        if self.interaction == 0.0:
            return np.asarray(expit((potential - energies) / thermal))
        found = np.empty(np.broadcast_shapes(energies.shape, potential.shape))
        for number, held in enumerate(self.held):
            mine = self.domain == number
            if mine.any():
                own = energies[..., mine], potential, self.weight[..., mine]
                found[..., mine] = _at_own_mean(*own, thermal, self.interaction, float(held))
        return found


def _at_own_mean(
    energies: Floats, potential: Floats, weight: Floats, thermal: float, interaction: float, held: float
) -> Floats:
    """Occupations of one domain, whose mean θ raises its energies by ω (θ - held): bisection, as θ has one solution."""
    total = weight.sum(axis=-1, keepdims=True)
    low = np.zeros(np.broadcast_shapes(potential.shape, total.shape))
    high = np.ones_like(low)
    for _ in range(_INNER_HALVINGS):
        mean = 0.5 * (low + high)
        filled = expit((potential - energies - interaction * (mean - held)) / thermal)
        above = np.sum(weight * filled, axis=-1, keepdims=True) > mean * total
        low, high = np.where(above, mean, low), np.where(above, high, mean)
    return np.asarray(expit((potential - energies - interaction * (0.5 * (low + high) - held)) / thermal))


def dilute_weights(weight: Floats, energies: Floats, temperature: float) -> Floats:
    """Share of one lone dopant on the sites that each one stands for, ``shape=(..., n)``; they add up to 1."""
    exponents = -energies / (BOLTZMANN * temperature) + np.log(weight)
    return np.asarray(np.exp(exponents - logsumexp(exponents, axis=-1, keepdims=True)))
