"""The record of a spectrum: its sites with their energies, and where the dopant goes at every temperature."""

from typing import ClassVar

from dopantfit.boundary.spectrum.config import Sampling, Thermodynamics
from dopantfit.boundary.spectrum.relaxations import Ending
from dopantfit.workflow.schema import Model, VersionedRecord

SPECTRUM = "spectrum.json"
#: Temperature of the energies that strata are summed up by, and of those and the depths that are drawn [K].
TYPICAL = 1000.0


class Band(Model):
    """A number with its 95 % interval, and the one that also holds the error of the force field, where that is given.

    low, high: from resampling sites and arrangements.
    """

    value: float
    low: float
    high: float
    low_with_force_field: float | None = None
    high_with_force_field: float | None = None


class Stratum(Model):
    """Sites of one kind in one domain. number: how many there are, those that dopants hold included.

    sampled: how many were taken; answered: how many of these have an energy. lowest, median: of their energies at
    1000 K [eV].
    """

    domain: str
    kind: str
    number: float
    sampled: int
    answered: int
    lowest_eV: float | None
    median_eV: float | None


class SiteEnergies(Model):
    """One site: energies of its arrangements against the host [eV], None where there is none, and how each ended."""

    ion: int
    kind: str
    domain: str
    depth_A: float | None
    energies_eV: tuple[float | None, ...]
    endings: tuple[Ending, ...]


class Layer(Model):
    """A bin of depth [Å], and what part of its ions is dopant at a temperature [at%]."""

    from_A: float
    to_A: float
    domain: str
    percent: Band


class DopantPlacement(Model):
    """Where the dopants are at one temperature [K].

    share: by domain, of all dopants. grain_kinds: of all dopants, by kind of site in the grain. ratio: dopant fraction
    of the ions of the grain over that of the amorphous domain; None where one of them is missing. dilute_ratio: the
    same for a lone dopant. carriers: sampled sites that carry the dopants of each domain (participation number): an
    answer that rests on less than three says little.
    """

    temperature_K: float
    share: dict[str, Band]
    grain_kinds: dict[str, Band]
    ratio: Band | None
    dilute_ratio: float | None
    carriers: dict[str, float]
    layers: tuple[Layer, ...]


class SpectrumRecord(VersionedRecord):
    """Everything; the same command gives the same bytes, whatever was interrupted.

    structure, potential, host: hashes of what was asked about, and of the relaxed host. reference: the dopant ion that
    changes places. settled_eV: what relaxing the host gained. ions: of each domain.
    """

    what: ClassVar[str] = "spectrum of exchange energies"
    remedy: ClassVar[str] = "make it anew with `dopantfit boundary spectrum`"

    format: int = 1
    sampling: Sampling
    thermodynamics: Thermodynamics
    structure: str
    potential: str
    host: str
    host_energy_eV: float
    settled_eV: float
    reference: int
    dopants: float
    ions: dict[str, int]
    strata: tuple[Stratum, ...]
    sites: tuple[SiteEnergies, ...]
    placements: tuple[DopantPlacement, ...]
    warnings: tuple[str, ...]
    #: What the numbers assume, in words.
    statements: tuple[str, ...]

    def at(self, temperature: float) -> DopantPlacement:
        """The placement at the temperature nearest to one [K]."""
        return min(self.placements, key=lambda one: abs(one.temperature_K - temperature))
