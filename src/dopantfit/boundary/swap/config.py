"""What people write to have a dopant moved: ``swap.toml``. Units: Å, K, ps, bar, eV."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from dopantfit.boundary.build.tables import Count, NonNegative, Positive, Text
from dopantfit.strict_toml import CountOrNone, Seed, Table, parse_strict, parse_toml, read_text
from dopantfit.structures.hosts import DEFAULT_HOST, load_host

Mode = Literal["delayed", "full", "rigid"]


class Burst(Table):
    """How a burst of attempts is made."""

    #: ``delayed``: a two-region estimate first, full relaxation of what passes (exact, the default); ``full``: every
    #: attempt relaxed; ``rigid``: nothing relaxed, for teaching and tests.
    mode: Mode = "delayed"
    #: Cations that a dopant changes places with; those of the host's framework and its mobile one by default.
    partners: tuple[Text, ...] = ()
    #: How a partner is drawn: any ion of any partner species alike, or first the species, then an ion of it.
    draw: Literal["ion", "species"] = "ion"
    #: Ions within this distance of either site relax in the estimate [Å]; beyond 5 Å the error hardly shrinks.
    inner_radius: Positive = 5.0
    #: Fully relaxed swaps of each pair from which both estimates learn, before the first round, what they leave out.
    calibration: Count = 6
    #: Estimates are lowered by this many standard deviations of their own error: what could be accepted then passes.
    margin: NonNegative = 1.0
    #: A relaxation of the whole cell ends when it expects to gain less than this [eV].
    tolerance: Positive = 1e-4
    #: Most evaluations of one relaxation.
    most_calls: Count = 600
    #: Evaluations of the whole cell after which a relaxation gives the second estimate, and ends or goes on.
    early_calls: Count = 15
    #: Of the accepted swaps one in so many is undone on trial, to see whether it comes back; 0 never.
    undo_every: CountOrNone = 10

    @model_validator(mode="after")
    def _is_possible(self) -> "Burst":
        if len(set(self.partners)) < len(self.partners):
            raise ValueError(f"partners = {list(self.partners)} must name each cation once")
        return self


class RoundDynamics(Table):
    """Molecular dynamics between two bursts."""

    #: [ps]; 0 makes no dynamics.
    duration: NonNegative = 2.0
    #: [K] and [bar]: those of the published protocol.
    temperature: Positive = 1000.0
    pressure: float = 1.0
    #: How the cell answers the pressure.
    cell: Literal["iso", "aniso", "tri", "z"] = "aniso"


class Layers(Table):
    """Where dopants may go: layers along the normal (z) on one interface, more of them as time goes on."""

    #: Height of the interface [Å], and the direction into the grain.
    interface: float
    into_grain: Literal[1, -1]
    #: How far the reservoir reaches from the interface into the amorphous side [Å].
    reservoir: Positive
    #: Thickness of a layer [Å]: the distance of framework planes in the published crystal is 3.5.
    width: Positive = 3.5
    #: Layers in the end.
    count: Count = 15
    #: Rounds after which a new layer joins.
    rounds_per_layer: Count = 10

    @property
    def rounds(self) -> int:
        """Rounds of the whole protocol."""
        return self.count * self.rounds_per_layer


class SwapConfig(Table):
    """One ladder of walkers; by default that of the published protocol."""

    #: The host whose cations are exchanged: a name of the library, or a TOML file beside this one.
    host: Text = DEFAULT_HOST
    dopant: Text
    #: Attempts of a round; a round ends with molecular dynamics.
    attempts: Count = 100
    layers: Layers
    #: Temperatures of the walkers are equidistant between these [K].
    walkers: Count = 12
    coldest: Positive = 1000.0
    hottest: Positive = 2000.0
    seed: Seed = 1
    burst: Burst = Burst()
    dynamics: RoundDynamics = RoundDynamics()

    @model_validator(mode="after")
    def _is_possible(self) -> "SwapConfig":
        if self.hottest < self.coldest:
            raise ValueError(f"hottest = {self.hottest} K is below coldest = {self.coldest} K; exchange them")
        if self.walkers == 1 and self.hottest != self.coldest:
            raise ValueError("one walker has one temperature; make coldest and hottest equal")
        if not self.burst.partners:
            raise ValueError("burst.partners names no cation; name at least one")
        if self.dopant in self.burst.partners:
            raise ValueError(f"{self.dopant} cannot change places with itself; take it out of burst.partners")
        return self

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Of the rungs [K], coldest first."""
        step = (self.hottest - self.coldest) / max(1, self.walkers - 1)
        return tuple(self.coldest + step * rung for rung in range(self.walkers))


def parse_swap(content: Mapping[str, Any], source: str) -> SwapConfig:
    """A configuration from plain dictionaries; ConfigError naming ``source`` and the key."""
    return parse_strict(SwapConfig, _with_partners(content, "."), source)


def load_swap(path: str | os.PathLike[str]) -> SwapConfig:
    """The configuration in a TOML file; ConfigError naming the file and the key."""
    content = parse_toml(read_text(Path(path)), str(path))
    return parse_strict(SwapConfig, _with_partners(content, Path(path).parent), str(path))


def _with_partners(content: Mapping[str, Any], folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content with the cations that the host can exchange where it names no partners."""
    burst, host = content.get("burst", {}), content.get("host", DEFAULT_HOST)
    if not isinstance(burst, Mapping) or not isinstance(host, str) or "partners" in burst:
        return dict(content)
    return {**content, "burst": {**burst, "partners": sorted(load_host(host, folder).exchangeable)}}
