"""The chain of swaps as the check of a spectrum: what it has in its grain, by temperature, and whether both agree."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.boundary.profile.domains import Domains, Span
from dopantfit.boundary.spectrum.record import Band, SpectrumRecord
from dopantfit.boundary.swap.config import SwapConfig
from dopantfit.boundary.swap.grain import ExploredGrain, explored_grain
from dopantfit.boundary.swap.record import read_settings
from dopantfit.boundary.swap.temper import LADDER_FILE, Ladder, read_ladder
from dopantfit.boundary.swap.walker import ReplicaState
from dopantfit.statistics import poisson_interval, poisson_limit


@dataclass(frozen=True)
class ChainPoint:
    """Dopant fraction of the explored grain over that of the amorphous domain, at one temperature [K] of a ladder.

    Over the second half of the rounds. early: the same over the quarter before, to see whether it still moves.
    """

    temperature_K: float
    ratio: Band
    early: float


def chain_points(folder: Path, domains: Domains, length: float) -> list[ChainPoint]:
    """What a run of swaps has in its grain.

    domains: of the structure that it began with, of this length along the normal [Å]. The interval is Poisson's for the
    ions of as many independent walkers as the rung saw: rounds of one walker are not independent.
    Raises ReferenceDataError where there is no run, ConfigError where another version made it.
    """
    config = read_settings(folder)
    ladder = read_ladder(folder / LADDER_FILE)
    points = []
    for rung, temperature in enumerate(ladder.temperatures):
        half = ladder.rounds_done // 2
        early = _of_rounds(ladder, rung, range(half // 2, half), config, domains, length)
        late = _of_rounds(ladder, rung, range(half, ladder.rounds_done), config, domains, length)
        if late:
            walkers = len({ladder.history[number]["replica_at"][rung] for number in range(half, ladder.rounds_done)})
            points.append(ChainPoint(temperature, _ratio(late, walkers), _ratio(early or late, walkers).value))
    return points


def _of_rounds(
    ladder: Ladder, rung: int, rounds: Sequence[int], config: SwapConfig, domains: Domains, length: float
) -> list[ExploredGrain]:
    """What the walkers of a rung had after these rounds; configurations that are gone are left out."""
    found = []
    for number in rounds:
        replica = ladder.history[number]["replica_at"][rung]
        path = Path(ladder.configurations[replica]).with_name(f"round-{number:04d}.json")
        if os.path.isfile(path):
            found.append(_grain(ReplicaState.read(path), config, domains, length))
    return found


def _grain(walker: ReplicaState, config: SwapConfig, domains: Domains, length: float) -> ExploredGrain:
    own = scaled(domains, float(walker.atoms.cell[2, 2]) / length)
    return explored_grain(walker.atoms, own, config.layers, walker.start_length, config.dopant)


def scaled(domains: Domains, factor: float) -> Domains:
    """The same domains in a cell that is so many times as long along the normal."""
    intervals = {
        name: tuple(Span(one.low * factor, one.high * factor, one.period * factor) for one in found)
        for name, found in domains.intervals.items()
    }
    return replace(domains, intervals=intervals, height=domains.height * factor)


def _ratio(counted: Sequence[ExploredGrain], walkers: int) -> Band:
    elsewhere = float(np.mean([one.elsewhere for one in counted]))
    mean = float(np.mean([len(one.ions) for one in counted]))
    ions = float(np.mean([one.size for one in counted]))
    unit = 1.0 / max(1.0, ions) / max(elsewhere, 1e-300)
    seen = mean * walkers
    low, high = poisson_interval(seen) if seen > 0.0 else (0.0, poisson_limit(0))
    return Band(value=mean * unit, low=low / walkers * unit, high=high / walkers * unit)


def agreement(record: SpectrumRecord, points: Sequence[ChainPoint]) -> list[dict[str, Any]]:
    """For every temperature of the chain within those of the spectrum: both ratios, and whether their bands overlap."""
    found = []
    kelvin = [one.temperature_K for one in record.placements]
    for point in points:
        ratio = record.at(point.temperature_K).ratio
        if ratio is not None and kelvin[0] <= point.temperature_K <= kelvin[-1]:
            overlap = ratio.low <= point.ratio.high and point.ratio.low <= ratio.high
            found.append(
                {
                    "temperature_K": point.temperature_K,
                    "spectrum": ratio.model_dump(mode="json"),
                    "chain": point.ratio.model_dump(mode="json"),
                    "chain_before": point.early,
                    "agree": overlap,
                }
            )
    return found
