"""The activation energy that ``transport arrhenius --json`` printed, read again."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dopantfit.errors import ConfigError
from dopantfit.statistics import Estimate


@dataclass(frozen=True, slots=True)
class ActivationEnergy:
    """Of one species' Arrhenius line [eV], and the lowest and the highest temperature of its points [K]."""

    energy: Estimate
    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{self.energy} eV, {self.lowest:.0f} to {self.highest:.0f} K"


def read_activation_energy(path: Path, species: str) -> ActivationEnergy:
    """Read what ``transport arrhenius --json`` printed; ConfigError for another file, or another species' line."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        energy = Estimate.from_dict(record["activation_energy_eV"])
        of, temperatures = record["species"], [float(one) for one in record["used_K"]]
        if energy.value is None or energy.error is None or len(temperatures) < 2:
            raise ValueError("no line")
        if not np.isfinite([energy.value, energy.error, *temperatures]).all():
            raise ValueError("no numbers")
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read ({problem.strerror}); check the path") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ConfigError(
            f"{path}: holds no result of `transport arrhenius --json`, or a damaged one; write its output there"
        ) from None
    if of != species:
        raise ConfigError(f"{path}: is the line of {of}, and {species} is what hops; give that of {species}")
    return ActivationEnergy(energy, min(temperatures), max(temperatures))
