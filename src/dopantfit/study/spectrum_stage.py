"""Where the dopant goes by the spectrum of its exchange energies: one boundary, its first realisation."""

from collections.abc import Sequence
from math import log

import numpy as np

from dopantfit.boundary.spectrum.answers import FEWEST_CARRIERS
from dopantfit.boundary.spectrum.config import TEMPERATURES, Sampling, Thermodynamics
from dopantfit.boundary.spectrum.figures import draw_spectrum
from dopantfit.boundary.spectrum.question import SpectrumQuestion
from dopantfit.boundary.spectrum.record import SPECTRUM, Band, SpectrumRecord
from dopantfit.boundary.spectrum.run import run_spectrum
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.statistics import TWO_SIDED_95, Estimate, Interval, LogRatio, mean_logarithm
from dopantfit.structures import Host
from dopantfit.study.boundary_stage import BuiltBoundary, DopedBoundary
from dopantfit.study.config import Spectra
from dopantfit.study.files import STRUCTURE, read_structure
from dopantfit.study.swap_stage import RELAXED, Tempered
from dopantfit.study.values import Number
from dopantfit.workflow.progress import ProgressFile
from dopantfit.workflow.schema import Model, read_json
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action

#: Relaxations of the host, for each trial exchange that must lead to nothing lower: there and back, some in vain.
HOST_RELAXATIONS = 6
#: Folder of the run, and its figures, inside the task's.
_RUN = "run"
_FIGURES = tuple(f"{_RUN}/{name}.{kind}" for name in ("grain", "energies", "depth") for kind in ("png", "csv"))
#: The smallest ratio that has a logarithm here.
_TINY = 1e-300
#: Dopant fraction of the grain over that of the amorphous domain, by temperature.
GRAIN_TABLE = f"{_RUN}/grain.csv"


class SpectrumOfExchanges(Model):
    """One spectrum. temperature: at which it answers [K]. swaps: the chain whose relaxations are used."""

    host: Host
    dopant: str
    partners: tuple[str, ...]
    spectra: Spectra
    temperature: float
    seed: int
    boundary: TaskOutput[BuiltBoundary]
    doped: TaskOutput[DopedBoundary]
    swaps: TaskOutput[Tempered]


class ExchangeSpectrum(Model):
    """What a spectrum says at one temperature [K].

    ratio: dopant fraction of the grain over that of the amorphous domain; None where one of them has no sites.
    with_force_field: the same with the error of the potential's exchange energies in its interval; None where it is not
    given. shares: of all dopants, by domain. carriers: sampled sites that carry the dopants of the domain that has
    fewest. sites: sampled. settled_eV: what relaxing the host gained. warnings: what makes the numbers weaker.
    """

    temperature_K: float
    ratio: Number | None
    with_force_field: Number | None
    exchange_error_eV: float
    shares: dict[str, Number]
    carriers: float
    sites: int
    relaxations: dict[str, int]
    settled_eV: float
    warnings: tuple[str, ...]

    @property
    def answers(self) -> bool:
        """Whether enough sampled sites carry the dopants for the ratio to mean something."""
        return self.ratio is not None and self.carriers >= FEWEST_CARRIERS


@typed_action(SpectrumOfExchanges, ExchangeSpectrum, version=1)
def find_spectrum(here: Here, want: SpectrumOfExchanges) -> Product[ExchangeSpectrum]:
    """Relax the exchanges of one boundary; the whole record is ``run/spectrum.json``, figures and CSV beside it."""
    if here.executor is None:
        raise ConfigError(f"task {here.task.name}: needs the executor; it must be one that coordinates")
    atoms = read_structure(here.made(want.doped).file(STRUCTURE))
    domains = here.made(want.boundary).result.domains.within(atoms)
    settings = want.spectra
    sampling = Sampling(
        dopant=want.dopant,
        partners=tuple(sorted(want.partners)),
        sites=settings.sites,
        arrangements=settings.arrangements,
        seed=want.seed,
        settling=settings.settling,
    )
    temperatures = tuple(sorted({*TEMPERATURES, want.temperature}))
    terms = Thermodynamics(temperatures=temperatures, exchange_error=settings.exchange_error)
    question = SpectrumQuestion(atoms, domains, want.host, Potential.load(here.path("potential")), sampling)
    content = read_json(here.made(want.swaps).file(RELAXED), "run the study again")
    folder = here.folder / _RUN
    observer = ProgressFile(here.folder)
    record = run_spectrum(question, terms, folder, here.executor, content["rounds"], observer)
    draw_spectrum(record, folder)
    kept = tuple(name for name in _FIGURES if (here.folder / name).is_file())
    return Product(answer_of(record, want.temperature), (f"{_RUN}/{SPECTRUM}", *kept), {"ions": len(atoms)})


def answer_of(record: SpectrumRecord, temperature: float) -> ExchangeSpectrum:
    """What a spectrum says at one temperature [K]."""
    placement, endings = record.at(temperature), dict[str, int]()
    for ending in (one for site in record.sites for one in site.endings):
        endings[ending] = endings.get(ending, 0) + 1
    given = record.thermodynamics.exchange_error
    return ExchangeSpectrum(
        temperature_K=placement.temperature_K,
        ratio=None if placement.ratio is None else estimate_of(placement.ratio),
        with_force_field=None if placement.ratio is None or not given else estimate_of(placement.ratio, True),
        exchange_error_eV=given,
        shares={name: estimate_of(band) for name, band in placement.share.items()},
        carriers=min(placement.carriers.values(), default=0.0),
        sites=len(record.sites),
        relaxations=dict(sorted(endings.items())),
        settled_eV=record.settled_eV,
        warnings=record.warnings,
    )


def mean_share(ratios: Sequence[Interval]) -> LogRatio:
    """Mean of the logarithms of two or more independent boundaries' shares, weighted by their bands and their spread.

    A band is no scatter of the value about its mean, so that no part of its variance is added to its logarithm.
    """
    values, lows, highs = np.log([[max(end or 0.0, _TINY) for end in (r.value, r.low, r.high)] for r in ratios]).T
    return mean_logarithm(values, np.square((highs - lows) / (2.0 * TWO_SIDED_95)))


def estimate_of(band: Band, with_force_field: bool = False) -> Estimate:
    """A band as an estimate, its standard error from the logarithms of its ends, on which it is nearly symmetric."""
    low, high = band.low, band.high
    if with_force_field and band.low_with_force_field is not None and band.high_with_force_field is not None:
        low, high = band.low_with_force_field, band.high_with_force_field
    width = log(high / low) if low > 0.0 else 0.0
    error = band.value * width / (2.0 * TWO_SIDED_95) if low > 0.0 else (high - low) / (2.0 * TWO_SIDED_95)
    return Estimate(band.value, error, low, high)
