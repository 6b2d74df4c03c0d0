"""Ionic conductivity, from tracers by Nernst-Einstein and from the motion of charge as a whole.

Nernst-Einstein reads σ = Σ q² D* N / (V k_B T), with the **formal** charges q: it is whole ions that move, whatever
partial charges the force field uses. Eq. (5) of Stegmaier et al. (2022) prints a further factor 1/6, although their D*,
slope/6, holds it already; the standard form without it is what is computed here.
"""

from dataclasses import dataclass
from typing import Literal

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.statistics import Estimate, ratio_of_squares
from dopantfit.transport.diffusion import Diffusion
from dopantfit.units import BOLTZMANN, ELEMENTARY_CHARGE

#: 1 e²/(Å ps eV) in S/cm: e/(10⁻⁸ cm × 10⁻¹² s × 1 V).
S_PER_CM = ELEMENTARY_CHARGE / (1.0e-8 * 1.0e-12)


@dataclass(frozen=True)
class Conductivity:
    """Conductivity of one species, or of several together.

    value: σ [S/cm]. temperature: [K].
    kind: "tracer", which takes ions to move independently, or "collective", which does not.
    """

    species: str
    kind: Literal["tracer", "collective"]
    value: Estimate
    temperature: float


def tracer_conductivity(diffusion: Diffusion, charge: float, volume: float, temperature: float) -> Conductivity:
    """Nernst-Einstein conductivity q² D* N / (V k_B T) of one species, without a further 1/6 (see the module).

    charge: formal charge [e]. volume: of the cell that holds the ``n_ions`` of `diffusion` [Å³]. temperature: [K].
    Raises ConfigError when volume or temperature is not positive.
    """
    factor = charge**2 * diffusion.n_ions * _factor(volume, temperature)
    return Conductivity(diffusion.species, "tracer", diffusion.coefficient.scaled(factor), temperature)


def collective_conductivity(diffusion: Diffusion, volume: float, temperature: float) -> Conductivity:
    """Conductivity of the Einstein relation, lim d⟨|Σ q Δr|²⟩/dt / (6 V k_B T).

    diffusion: of a charge-weighted displacement (`collective_diffusion`) [e² Å²/ps]. volume: [Å³]. temperature: [K].
    One walker instead of many: its error is larger than the tracer's by about the root of the number of ions.
    Raises ConfigError when volume or temperature is not positive.
    """
    value = diffusion.coefficient.scaled(_factor(volume, temperature))
    return Conductivity(diffusion.species, "collective", value, temperature)


def haven_ratio(tracer: Conductivity, collective: Conductivity) -> Estimate:
    """Haven ratio σ_tracer/σ_collective = D*/D_σ; below 1 where ions help one another along.

    Its interval takes the two errors as independent, which they are not quite: it is wide rather than narrow.
    Raises ConvergenceError when one of them is no more than an upper bound.
    """
    ratio = ratio_of_squares(tracer.value, collective.value)
    if ratio is None:
        raise ConvergenceError(
            f"Haven ratio of {tracer.species}: needs two conductivities, and one is an upper bound; run longer"
        )
    return ratio


def _factor(volume: float, temperature: float) -> float:
    """Conductivity [S/cm] of 1 e² Å²/ps in `volume` at `temperature`."""
    for name, value, unit in (("volume", volume, "Å³"), ("temperature", temperature, "K")):
        if not 0.0 < value < float("inf"):
            raise ConfigError(f"conductivity: {name} = {value!r} {unit} must be positive; give that of the run")
    return S_PER_CM / (volume * BOLTZMANN * temperature)
