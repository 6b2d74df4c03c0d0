"""The free parameters of a fit: what they change in a potential, their box, and the coordinate that measures it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.errors import ConfigError
from dopantfit.fit.config import FitConfig, PairQuantities, Prior, Quantity, Scale
from dopantfit.potential import Buckingham, Parameter, Potential, Species
from dopantfit.potential.checks import Pair, pair_key, read_pair
from dopantfit.potential.parameters import PAIR_QUANTITIES, UNITS

#: How the box of a quantity is measured where the file does not say. ρ enters an exponent and has a narrow range; A
#: spans orders of magnitude; C does so too, and may be zero, where a logarithm (or softplus) has no value.
SCALES: dict[str, Scale] = {"A": "log", "C": "log1p"}
_CHARGE_SCALE = "charge_scale"


@dataclass(frozen=True, slots=True)
class Variable:
    """One free number.

    name: as in ``rho Na-Cl``. unit: of its value. start, low, high: its value at the start and its bounds.
    effects: parameters that move with it, and by how much per unit. prior: what was known before.
    """

    name: str
    unit: str
    start: float
    low: float
    high: float
    scale: Scale
    effects: tuple[tuple[Parameter, float], ...]
    prior: Prior | None = None

    def to_unit(self, value: float) -> float:
        """Coordinate of a value: 0 at the lower bound, 1 at the upper."""
        low, high = _forward(self.scale, self.low), _forward(self.scale, self.high)
        return (_forward(self.scale, value) - low) / (high - low)

    def from_unit(self, coordinate: float) -> float:
        """The value at a coordinate; the bounds come out exactly."""
        if coordinate <= 0.0:
            return self.low
        if coordinate >= 1.0:
            return self.high
        low, high = _forward(self.scale, self.low), _forward(self.scale, self.high)
        return min(max(_backward(self.scale, low + coordinate * (high - low)), self.low), self.high)

    def slope(self, value: float) -> float:
        """Derivative of the value with respect to the coordinate, at this value."""
        width = _forward(self.scale, self.high) - _forward(self.scale, self.low)
        return width * {"linear": 1.0, "log": value, "log1p": 1.0 + value}[self.scale]


def _forward(scale: Scale, value: float) -> float:
    if scale == "linear":
        return value
    return math.log(value) if scale == "log" else math.log1p(value)


def _backward(scale: Scale, coordinate: float) -> float:
    if scale == "linear":
        return coordinate
    return math.exp(coordinate) if scale == "log" else math.expm1(coordinate)


@dataclass(frozen=True)
class Space:
    """The box of all variables around a start potential; points are coordinates in [0, 1], ``shape=(n,)``."""

    base: Potential
    variables: tuple[Variable, ...]

    @property
    def start(self) -> Floats:
        """The point of the start values."""
        return np.array([variable.to_unit(variable.start) for variable in self.variables])

    def values(self, point: Floats) -> Floats:
        """Values at a point, each in its own unit."""
        pairs = zip(self.variables, point, strict=True)
        return np.array([variable.from_unit(float(coordinate)) for variable, coordinate in pairs])

    def point(self, values: Sequence[float] | Floats) -> Floats:
        """The point of these values, moved into the box where they lie outside."""
        pairs = zip(self.variables, values, strict=True)
        return np.array([variable.to_unit(min(max(float(v), variable.low), variable.high)) for variable, v in pairs])

    def slopes(self, values: Floats) -> Floats:
        """Derivative of every value with respect to its coordinate."""
        pairs = zip(self.variables, values, strict=True)
        return np.array([variable.slope(float(value)) for variable, value in pairs])

    def potential(self, values: Floats) -> Potential:
        """The potential that has these values."""
        changed: dict[Parameter, float] = {}
        for variable, value in zip(self.variables, values, strict=True):
            # A variable that is one parameter sets it outright: nothing is rounded on the way.
            if len(variable.effects) == 1 and variable.effects[0][1] == 1.0:
                changed[variable.effects[0][0]] = float(value)
                continue
            for parameter, rate in variable.effects:
                before = changed.get(parameter, self.base.value(parameter))
                changed[parameter] = before + rate * (float(value) - variable.start)
        pairs = {p: v for p, v in changed.items() if p.quantity in PAIR_QUANTITIES}
        others = {p: v for p, v in changed.items() if p.quantity not in PAIR_QUANTITIES}
        return self.base.with_values({**pairs, **others})

    def values_in(self, potential: Potential) -> Floats:
        """Values that another potential has; ConfigError when it lacks one."""
        change = np.array([potential.value(p) - self.base.value(p) for p in self.parameters])
        moved: Floats = np.linalg.lstsq(self.mixing, change, rcond=None)[0]
        return self.base_values + moved

    @property
    def base_values(self) -> Floats:
        """Values of the start potential."""
        return np.array([variable.start for variable in self.variables])

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every parameter that some variable moves, sorted."""
        return tuple(sorted({parameter for variable in self.variables for parameter, _ in variable.effects}))

    @property
    def mixing(self) -> Floats:
        """Derivative of every parameter with respect to every variable, ``shape=(n_parameters, n_variables)``."""
        row = {parameter: number for number, parameter in enumerate(self.parameters)}
        matrix = np.zeros((len(row), len(self.variables)))
        for column, variable in enumerate(self.variables):
            for parameter, rate in variable.effects:
                matrix[row[parameter], column] += rate
        return matrix

    @property
    def moves_charges(self) -> bool:
        """Whether some variable changes a charge."""
        return any(parameter.quantity in ("charge", "shell_charge") for parameter in self.parameters)


def make_space(config: FitConfig, host: Potential, source: str) -> Space:
    """The start potential (host and dopant) and the box of the free parameters.

    source: what messages call the file. Raises ConfigError for pairs that are no pairs, starts outside their bounds,
    and when nothing is free.
    """
    _check_dopant(config, host, source)
    pairs = pair_tables(config, host, source)
    base = _start_potential(config, host, pairs, source)
    variables = [
        variable
        for pair, quantities in pairs.items()
        for name in PAIR_QUANTITIES
        for variable in _variable(getattr(quantities, name), Parameter(name, pair), base, source)
    ]
    for label, of_species in config.species.items():
        if label not in base.species or base.species[label].shell is None:
            raise ConfigError(f"{source}: species.{label} has no shell in the host {host.name}; remove the table")
        variables += _variable(of_species.shell_charge, Parameter("shell_charge", (label,)), base, source)
        variables += _variable(of_species.spring, Parameter("spring", (label,)), base, source)
    variables += _charge_scale(config.charge_scale, base, source)
    if not variables:
        raise ConfigError(f"{source}: no parameter is free; give at least one its bounds")
    return Space(base, tuple(variables))


def _check_dopant(config: FitConfig, host: Potential, source: str) -> None:
    dopant = config.dopant
    if dopant is None:
        return
    if dopant.label in host.species:
        raise ConfigError(
            f"{source}: dopant.label = {dopant.label!r} is a species of the host {host.name}; choose a host "
            "without it, or drop [dopant] and free the host's own pairs"
        )
    if host.charge_scale is None:
        raise ConfigError(f"{source}: the host {host.name} has no charge per formal charge; a dopant needs one")


def pair_tables(config: FitConfig, host: Potential, source: str) -> dict[Pair, PairQuantities]:
    """What the file says of each pair; ConfigError naming what is no pair of host and dopant, or given twice."""
    known = {*host.species} | ({config.dopant.label} if config.dopant else set())
    pairs: dict[Pair, PairQuantities] = {}
    for text, quantities in config.pairs.items():
        labels = read_pair(text)
        if labels is None or not set(labels) <= known:
            raise ConfigError(
                f'{source}: pairs."{text}" is no pair of species here ({", ".join(sorted(known))}); mend or remove it'
            )
        pair = pair_key(*labels)
        if pair in pairs:
            raise ConfigError(f"{source}: pairs.{text} is given twice, in both orders; remove one")
        pairs[pair] = quantities
    return pairs


def _start_potential(config: FitConfig, host: Potential, pairs: dict[Pair, PairQuantities], source: str) -> Potential:
    """The host with the dopant and every start value in it."""
    base, dopant = host, config.dopant
    if dopant is not None:
        charge = (host.charge_scale or 0.0) * dopant.formal_charge
        ion = Species(formal_charge=dopant.formal_charge, charge=charge, mass=dopant.mass)
        labels = [*host.species, dopant.label]
        terms = {(dopant.label, other): _term(pairs, dopant.label, other, source) for other in labels}
        base = host.with_dopant(dopant.label, ion, terms, name=config.name)
    starts = {
        Parameter(name, pair): start
        for pair, quantities in pairs.items()
        for name in PAIR_QUANTITIES
        if (start := getattr(quantities, name).start) is not None
    }
    try:
        return base.with_values(starts)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def _term(pairs: dict[Pair, PairQuantities], dopant: str, other: str, source: str) -> Buckingham:
    quantities = pairs.get(pair_key(dopant, other))
    starts = [getattr(quantities, name).start if quantities else None for name in PAIR_QUANTITIES]
    for name, start in zip(PAIR_QUANTITIES, starts, strict=True):
        if start is None:
            raise ConfigError(
                f'{source}: pairs."{dopant}-{other}".{name} has no start, and the host knows nothing of {dopant}; '
                "write its start (0.0 for A and C of a pair without a term)"
            )
        if start < 0.0 or (name == "rho" and start == 0.0):
            raise ConfigError(f'{source}: pairs."{dopant}-{other}".{name} = {start!r} {UNITS[name]} must be positive')
    A, rho, C = (float(start) for start in starts if start is not None)
    return Buckingham(A=A, rho=rho, C=C)


def _variable(quantity: Quantity, parameter: Parameter, base: Potential, source: str) -> list[Variable]:
    """The variable of one quantity, none where it is frozen. Shell charges take their cores with them."""
    prefix = "pairs" if parameter.quantity in PAIR_QUANTITIES else "species"
    where = f"{prefix}.{'-'.join(parameter.of)}.{parameter.quantity}"
    effects: tuple[tuple[Parameter, float], ...] = ((parameter, 1.0),)
    if parameter.quantity == "shell_charge":
        effects += ((Parameter("charge", parameter.of), -1.0),)
    start = base.value(parameter) if quantity.start is None else quantity.start
    if prefix == "species" and start != base.value(parameter):
        raise ConfigError(
            f"{source}: {where} = {start!r} {parameter.unit} is not the host's {base.value(parameter)!r}; remove the "
            "start, or change the host's file"
        )
    return _boxed(quantity, str(parameter), parameter.unit, start, effects, f"{source}: {where}")


def _charge_scale(quantity: Quantity, base: Potential, source: str) -> list[Variable]:
    """Total charges in one proportion to the formal ones: every balanced cell stays neutral."""
    if not quantity.is_free:
        return []
    scale = base.charge_scale
    if scale is None:
        raise ConfigError(f"{source}: charge_scale: {base.name} has no charge per formal charge; freeze it")
    formal = {label: ion.formal_charge for label, ion in base.species.items() if ion.formal_charge}
    effects = tuple((Parameter("charge", (label,)), float(z)) for label, z in formal.items())
    start = scale if quantity.start is None else quantity.start
    if start != scale:
        raise ConfigError(f"{source}: charge_scale = {start!r} e is not the host's {scale!r}; remove the start")
    return _boxed(quantity, _CHARGE_SCALE, "e", start, effects, f"{source}: charge_scale")


def _boxed(
    quantity: Quantity,
    name: str,
    unit: str,
    start: float,
    effects: tuple[tuple[Parameter, float], ...],
    where: str,
) -> list[Variable]:
    if not quantity.is_free or quantity.bounds is None:
        return []
    low, high = quantity.bounds
    scale = quantity.scale or SCALES.get(effects[0][0].quantity, "linear")
    if not low < high:
        raise ConfigError(f"{where}: bounds [{low!r}, {high!r}] {unit} hold no interval; put the lower one first")
    if not low <= start <= high:
        raise ConfigError(
            f"{where} = {start!r} {unit} is outside its bounds [{low!r}, {high!r}]; widen the bounds or change "
            "the start"
        )
    if effects[0][0].quantity in ("A", "C") and low < 0.0:
        raise ConfigError(
            f"{where}: the lower bound {low!r} {unit} is negative, where nothing binds or repels; use 0.0"
        )
    if effects[0][0].quantity in ("rho", "spring") and low <= 0.0:
        raise ConfigError(f"{where}: the lower bound {low!r} {unit} must be positive")
    if (scale == "log" and low <= 0.0) or (scale == "log1p" and low <= -1.0):
        raise ConfigError(
            f'{where}: a lower bound of {low!r} {unit} has no logarithm; raise it, or use scale = "log1p"'
        )
    return [Variable(name, unit, float(start), float(low), float(high), scale, effects, quantity.prior)]
