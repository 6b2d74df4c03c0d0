"""What a spectrum of exchange energies is made with. Units: Å, K, eV."""

from typing import Annotated

from pydantic import Field, model_validator

from dopantfit.boundary.build.tables import Count, NonNegative, Positive, Text
from dopantfit.strict_toml import CountOrNone, Seed, Table

#: Temperatures of the answers [K].
TEMPERATURES = tuple(float(kelvin) for kelvin in range(300, 2001, 100))


class Sampling(Table):
    """Which exchanges are relaxed, and how; all of it is in the name of a result."""

    #: Label of the dopant in the potential.
    dopant: Text
    #: Cations that it changes places with, and how many of the sites of each domain and kind are taken in all.
    partners: Annotated[tuple[Text, ...], Field(min_length=1)]
    sites: Count = 200
    #: Relaxations of each site, with other arrangements of the mobile ions that balance the exchange.
    arrangements: Annotated[int, Field(ge=1, le=20)] = 3
    seed: Seed = 1
    #: A relaxation ends when it expects to gain less than this [eV]. Expectations fall short of what comes: so small a
    #: number leaves energies good to 5 meV within their basin (kT is 86 meV at 1000 K), ten times as much up to 2 eV.
    tolerance: Positive = 1e-4
    #: Most evaluations of one relaxation.
    most_calls: Count = 600
    #: Before any exchange counts, trial exchanges are made and undone until so many in turn lead back to nothing lower:
    #: what they would set free in a glass that was quenched in picoseconds is no energy of a site. 0 for none.
    settling: CountOrNone = 6

    @model_validator(mode="after")
    def _is_possible(self) -> "Sampling":
        if self.dopant in self.partners:
            raise ValueError(f"{self.dopant} cannot change places with itself; take it out of partners")
        if len(set(self.partners)) < len(self.partners):
            raise ValueError(f"partners = {list(self.partners)} must name each cation once")
        return self


class Thermodynamics(Table):
    """What the statistics over a spectrum are made with; nothing is relaxed anew when it changes."""

    #: [K]
    temperatures: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=200)] = TEMPERATURES
    #: How many dopants there are; as many as the structure holds by default.
    dopants: Positive | None = None
    #: What a dopant costs more for every unit by which the mean occupation of the sites of its domain exceeds that of
    #: the structure [eV]: the mean-field term of concentration (Fowler and Guggenheim); 0 is the dilute limit.
    interaction: NonNegative = 0.0
    #: Error of the force field's own exchange energies in another domain against the amorphous one [eV], one standard
    #: deviation, the same for all sites of a domain; 0 where unknown.
    exchange_error: NonNegative = 0.0
    #: Width of a bin of depth [Å]: the distance of framework planes in the published crystal.
    layer_width: Positive = 3.5
    #: Resamplings behind the bands.
    resamplings: Annotated[int, Field(ge=20, le=20_000)] = 400

    @model_validator(mode="after")
    def _temperatures_rise(self) -> "Thermodynamics":
        if any(a >= b for a, b in zip(self.temperatures, self.temperatures[1:], strict=False)):
            raise ValueError(f"temperatures = {list(self.temperatures)} must rise; sort them")
        return self
