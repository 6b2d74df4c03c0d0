"""Exchange energies as a target: relaxed energies of a dopant on another cation's place against those where it was.

Both ends are relaxed with the potential, ions and shells in the fixed cell, from where the reference's ends are. So the
difference is a function of the parameters alone, and its derivative is that of the energies at the two minima.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from dopantfit.energy import Frame, make_frame, species_table
from dopantfit.energy.arrays import Floats
from dopantfit.energy.ion_relaxation import IonModel, RelaxedIons, relaxed_derivatives
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.fit.config import ExchangeSet, FitConfig
from dopantfit.fit.inputs import told_apart
from dopantfit.potential import Parameter, Potential
from dopantfit.reference.exchange_ends import ExchangeEnd, exchange_ends


@dataclass(frozen=True)
class RelaxedDifference:
    """A difference of two relaxed energies and what the reference says of it: an exchange, or a stretched crystal.

    name: ``set/exchange``. set: its name, or its path where two have one name. start, end: the relaxed ends of the
    reference, without and with the exchange; several may have one start. reference: E(end) - E(start) [eV]. error: what
    counts as one [eV].
    """

    name: str
    set: str
    item: str
    family: str
    partner: str
    start: Frame
    end: Frame
    reference: float
    error: float
    held_out: bool = False


def load_exchanges(config: FitConfig, base: Potential, folder: Path, source: str) -> tuple[RelaxedDifference, ...]:
    """All exchanges of all sets, in the order of the file; fitted and held-out ones.

    base: a potential of the fit's species. folder: that of the file, which paths are relative to. source: its name for
    messages. Raises ConfigError and ReferenceDataError.
    """
    loaded = [exchange_ends(Path(os.path.normpath(folder / one.path)), one.left_out) for one in config.exchanges]
    names = told_apart([frames.name for frames, _ in loaded], [one.path for one in config.exchanges])
    targets: list[RelaxedDifference] = []
    for one, (_, ends), name in zip(config.exchanges, loaded, names, strict=True):
        unknown = sorted(set(one.held_out) - {known for end in ends for known in end.names})
        if unknown:
            known = ", ".join(dict.fromkeys(label for end in ends for label in (end.item, end.name)))
            raise ConfigError(
                f"{source}: exchanges: {one.path}: held_out names {unknown[0]!r}, and the set has {known}; name "
                "some of these"
            )
        targets += targets_of(ends, name, one, base)
    _refuse_other_dopants(config, targets, source)
    return tuple(targets)


def targets_of(
    ends: Sequence[ExchangeEnd], set_name: str, settings: ExchangeSet, base: Potential
) -> list[RelaxedDifference]:
    """The targets of one set; ConfigError for a species that the potential lacks."""
    starts: dict[str, Frame] = {}
    targets = []
    for one in ends:
        if one.item not in starts:
            starts[one.item] = make_frame(one.start, base, f"{set_name}/{one.item}-start", background=True)
        name = f"{set_name}/{one.name}"
        end, held_out = make_frame(one.end, base, name, background=True), bool(one.names & set(settings.held_out))
        targets.append(
            RelaxedDifference(
                name, set_name, one.item, one.family, one.partner, starts[one.item], end, one.energy,
                settings.energy_error, held_out,
            )
        )  # fmt: skip
    return targets


def _refuse_other_dopants(config: FitConfig, targets: Sequence[RelaxedDifference], source: str) -> None:
    dopant = config.dopant
    for one in targets:
        if dopant is not None and dopant.label not in one.end.labels:
            raise ConfigError(
                f"{source}: exchanges: {one.name} holds no {dopant.label}, so it says nothing of the dopant; leave it "
                "out (left_out)"
            )


class DifferenceModel:
    """The energies of some exchanges under changing parameters.

    prepared_for: potential whose Hessians precondition the relaxations. starts, ends: rows of the relaxed frames that
    each target compares, ``shape=(n,)``.
    """

    def __init__(self, targets: Sequence[RelaxedDifference], prepared_for: Potential) -> None:
        self.targets = tuple(targets)
        frames = list({frame.name: frame for one in targets for frame in (one.start, one.end)}.values())
        names = [frame.name for frame in frames]
        self.models = tuple(IonModel(frame, species_table(frame.labels, prepared_for)) for frame in frames)
        self.starts = np.array([names.index(one.start.name) for one in targets], dtype=np.int64)
        self.ends = np.array([names.index(one.end.name) for one in targets], dtype=np.int64)

    @cached_property
    def weights(self) -> Floats:
        """1 / error of every target [1/eV]."""
        return np.array([1.0 / one.error for one in self.targets])

    def relax(self, potential: Potential) -> tuple[RelaxedIons, ...]:
        """Every end at rest. Raises CollapseError and ConvergenceError."""
        return tuple(model.relax(species_table(model.frame.labels, potential)) for model in self.models)

    def residuals(self, relaxed: Sequence[RelaxedIons]) -> Floats:
        """(ΔE - reference) / error of every target, ``shape=(n,)``."""
        energies = np.array([one.energy for one in relaxed])
        reference = np.array([one.reference for one in self.targets])
        residuals: Floats = (self._differences(energies) - reference) * self.weights
        return residuals

    def jacobian(self, relaxed: Sequence[RelaxedIons], parameters: tuple[Parameter, ...]) -> Floats:
        """Derivatives of ``residuals`` with respect to parameters, ``shape=(n, p)``."""
        slopes = np.array([relaxed_derivatives(one, parameters) for one in relaxed]).reshape(-1, len(parameters))
        jacobian: Floats = self._differences(slopes) * self.weights[:, None]
        return jacobian

    def _differences(self, values: Floats) -> Floats:
        differences: Floats = values[self.ends] - values[self.starts]
        return differences

    def compare(self, potential: Potential) -> list["ExchangeComparison"]:
        """What a potential makes of every target; without an energy where one of its ends does not come to rest."""
        found: list[RelaxedIons | None] = []
        for model in self.models:
            try:
                found.append(model.relax(species_table(model.frame.labels, potential)))
            except (CollapseError, ConvergenceError):
                found.append(None)
        pairs = [(found[start], found[end]) for start, end in zip(self.starts, self.ends, strict=True)]
        return [
            ExchangeComparison(one, None, None)
            if start is None or end is None
            else ExchangeComparison(one, end.energy - start.energy, max(start.farthest, end.farthest))
            for one, (start, end) in zip(self.targets, pairs, strict=True)
        ]


@dataclass(frozen=True)
class ExchangeComparison:
    """What a potential makes of one exchange: its energy [eV], and how far an ion moved from the reference's ends [Å].

    Both are None where an end did not come to rest.
    """

    target: RelaxedDifference
    energy: float | None
    farthest: float | None

    @property
    def difference(self) -> float | None:
        """Energy less the reference's [eV]."""
        return None if self.energy is None else self.energy - self.target.reference
