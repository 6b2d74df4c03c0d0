"""Arrhenius line through diffusion coefficients or conductivities, with its error band.

ln X = ln X₀ - E_a/(k_B T), weighted by the relative errors; X is D*, or σT where a conductivity is given, since
Nernst-Einstein holds a 1/T of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from dopantfit.errors import ConfigError, ConvergenceError
from dopantfit.statistics import TWO_SIDED_95, Estimate
from dopantfit.transport.trajectory import Floats
from dopantfit.units import BOLTZMANN


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the line says at a temperature [K]; `extrapolated` where no run was made on both sides of it."""

    temperature: float
    value: Estimate
    extrapolated: bool

    def __str__(self) -> str:
        return f"{self.value} at {self.temperature:g} K{' (extrapolated)' if self.extrapolated else ''}"


@dataclass(frozen=True)
class ArrheniusFit:
    """The fitted line.

    quantity: "diffusion" (X in the unit given) or "conductivity" (line through σT).
    activation_energy: [eV].
    log_prefactor: ln X₀, X₀ in the unit of X (times K for a conductivity).
    covariance: of (log_prefactor, activation_energy / k_B), scaled up where points scatter more than they should.
    used, bounds: temperatures [K] of the points in the fit, and of those left out as upper bounds.
    scatter: root of χ² per degree of freedom; None for two points. Errors are multiplied by it where it exceeds 1.
    """

    quantity: Literal["diffusion", "conductivity"]
    activation_energy: Estimate
    log_prefactor: float
    covariance: Floats = field(repr=False)
    used: tuple[float, ...]
    bounds: tuple[float, ...]
    scatter: float | None

    def predict(self, temperature: float) -> Prediction:
        """Value of the line [unit of the input] with its error band at `temperature` [K].

        Raises ConfigError when the temperature is not positive.
        """
        _check_temperature(temperature)
        gradient = np.array([1.0, -1.0 / temperature])
        slope = (self.activation_energy.value or 0.0) / BOLTZMANN
        logarithm = self.log_prefactor - slope / temperature
        error = float(np.sqrt(gradient @ self.covariance @ gradient))
        divisor = temperature if self.quantity == "conductivity" else 1.0
        value, low, high = (
            float(np.exp(logarithm + shift * error)) / divisor for shift in (0.0, -TWO_SIDED_95, TWO_SIDED_95)
        )
        outside = not min(self.used) <= temperature <= max(self.used)
        return Prediction(temperature, Estimate(value, value * error, low, high), outside)


def fit_arrhenius(
    temperatures: Sequence[float],
    values: Sequence[Estimate],
    quantity: Literal["diffusion", "conductivity"] = "diffusion",
) -> ArrheniusFit:
    """Fit the Arrhenius line; upper bounds are left out, and named in the result.

    temperatures: [K]. values: one estimate for each, of D* or of σ.
    Raises ConfigError when they do not go together; ConvergenceError when fewer than two temperatures have a number.
    """
    if len(temperatures) != len(values):
        raise ConfigError(f"Arrhenius: {len(temperatures)} temperatures for {len(values)} values; give one for each")
    for temperature in temperatures:
        _check_temperature(temperature)
    points = [(t, e.value, e.error) for t, e in zip(temperatures, values, strict=True) if e.value and e.error]
    bounds = tuple(t for t, e in zip(temperatures, values, strict=True) if not (e.value and e.error))
    if len({t for t, _, _ in points}) < 2:
        raise ConvergenceError(
            f"Arrhenius: {len(points)} of {len(values)} values are numbers rather than upper bounds; a line needs two "
            "temperatures: run longer or hotter"
        )
    kelvin, value, error = np.array(points, dtype=float).T
    logarithms = np.log(value * kelvin if quantity == "conductivity" else value)
    weights = (value / error) ** 2
    design = np.array([np.ones(len(kelvin)), -1.0 / kelvin]).T
    covariance = np.linalg.inv(design.T @ (weights[:, None] * design))
    solution = covariance @ design.T @ (weights * logarithms)
    freedom = len(kelvin) - 2
    scatter = None
    if freedom:
        scatter = float(np.sqrt((weights * (logarithms - design @ solution) ** 2).sum() / freedom))
        covariance = covariance * max(1.0, scatter) ** 2
    energy, deviation = float(solution[1] * BOLTZMANN), float(np.sqrt(covariance[1, 1])) * BOLTZMANN
    return ArrheniusFit(
        quantity=quantity,
        activation_energy=Estimate.symmetric(energy, deviation),
        log_prefactor=float(solution[0]),
        covariance=covariance,
        used=tuple(float(t) for t in kelvin),
        bounds=bounds,
        scatter=scatter,
    )


def _check_temperature(temperature: float) -> None:
    if not 0.0 < temperature < float("inf"):
        raise ConfigError(f"Arrhenius: temperature = {temperature!r} K must be positive; temperatures are in kelvin")
