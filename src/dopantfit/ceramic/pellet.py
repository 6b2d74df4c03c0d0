"""What a pellet conducts: bulk, boundary and microstructure, each with its interval, against temperature."""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log

from dopantfit.ceramic.brick import BrickLayer
from dopantfit.ceramic.circuit import Arc, Circuit, circuit_of
from dopantfit.ceramic.settings import CeramicSettings
from dopantfit.statistics import Interval, carried, carried_positive
from dopantfit.units import BOLTZMANN


@dataclass(frozen=True)
class ConductivityAt:
    """Conductivities at a temperature [K], with their intervals [S/cm]."""

    temperature: float
    bulk: Interval
    boundary: Interval
    total: Interval


@dataclass(frozen=True)
class ArcIntervals:
    """An element of the circuit with intervals: resistance [Ω cm], capacitance [F/cm], frequency [Hz]."""

    resistance: Interval
    capacitance: Interval
    frequency: Interval


@dataclass(frozen=True)
class Pellet:
    """A pellet, all of whose numbers come with intervals. name: to tell it from others."""

    name: str
    settings: CeramicSettings

    def at(self, temperature: float) -> ConductivityAt:
        """Conductivities at a temperature [K]."""
        quantities = self._quantities()
        return ConductivityAt(
            temperature,
            carried_positive(lambda *given: self._state(temperature, *given)[1], quantities),
            carried_positive(lambda *given: self._state(temperature, *given)[2], quantities),
            carried_positive(lambda *given: self._total(temperature, *given), quantities),
        )

    def activation_energy(self) -> Interval | None:
        """Activation energy of the total conductivity times T between the ends of what is asked for [eV].

        None for a single temperature.
        """
        low, high = self.settings.asked[0], self.settings.asked[-1]
        if low == high:
            return None

        def slope(*given: float) -> float:
            ratio = high * self._total(high, *given) / (low * self._total(low, *given))
            return BOLTZMANN * log(ratio) / (1.0 / low - 1.0 / high)

        return carried(slope, self._quantities())

    def circuit(self, temperature: float) -> Circuit | None:
        """Equivalent circuit at a temperature [K]; None where no permittivities are known."""
        if self.settings.permittivities is None:
            return None
        return self._circuit(temperature, *self._values())

    def arcs(self, temperature: float) -> tuple[ArcIntervals, ArcIntervals] | None:
        """Return the elements of the circuit, fast and slow, with intervals; None without permittivities.

        An element that is not there, where both relax in the same time, is a resistance of zero.
        """
        if self.settings.permittivities is None:
            return None
        return self._intervals_of(temperature, _fast), self._intervals_of(temperature, _slow)

    def _intervals_of(self, temperature: float, choose: Callable[[Circuit], Arc]) -> ArcIntervals:
        def of(value: Callable[[Arc], float]) -> Interval:
            return carried_positive(
                lambda *given: value(choose(self._circuit(temperature, *given))), self._quantities()
            )

        return ArcIntervals(
            of(lambda arc: arc.resistance), of(lambda arc: arc.capacitance), of(lambda arc: arc.frequency)
        )

    def modulus(self, temperature: float, frequency: float) -> Interval:
        """Modulus of the impedance [Ω cm] at a temperature [K] and a frequency [Hz]."""
        return carried_positive(
            lambda *given: float(abs(self._circuit(temperature, *given).impedance([frequency])[0])),  # type: ignore[arg-type]
            self._quantities(),
        )

    def _quantities(self) -> tuple[Interval, ...]:
        """Everything that is known with an error: σ and E of bulk, of boundary, then grain size, thickness, density."""
        bulk, boundary, shape = self.settings.bulk, self.settings.boundary, self.settings.microstructure
        return (
            Interval.of_logarithm(bulk.conductivity, bulk.error),
            bulk.energy,
            Interval.of_logarithm(boundary.conductivity, boundary.error),
            boundary.energy,
            *(() if shape is None else shape.intervals),
        )

    def _values(self) -> list[float]:
        return [one.value or 0.0 for one in self._quantities()]

    def _state(
        self,
        temperature: float,
        bulk: float,
        bulk_energy: float,
        boundary: float,
        boundary_energy: float,
        *shape: float,
    ) -> tuple[BrickLayer, float, float]:
        """Brick layer, and conductivities of bulk and boundary [S/cm]."""
        known = self.settings.temperature
        reach = (1.0 / temperature - 1.0 / known) / BOLTZMANN
        sigma = [
            one * known / temperature * exp(-energy * reach)
            for one, energy in ((bulk, bulk_energy), (boundary, boundary_energy))
        ]
        return BrickLayer.of(*shape) if shape else BrickLayer.series(), sigma[0], sigma[1]

    def _total(self, temperature: float, *given: float) -> float:
        brick, bulk, boundary = self._state(temperature, *given)
        return float(brick.conductivity(bulk, boundary))

    def _circuit(self, temperature: float, *given: float) -> Circuit:
        brick, bulk, boundary = self._state(temperature, *given)
        return circuit_of(brick, bulk, boundary, self.settings.permittivities or (1.0, 1.0))


def _fast(circuit: Circuit) -> Arc:
    return circuit.fast


def _slow(circuit: Circuit) -> Arc:
    return circuit.slow
