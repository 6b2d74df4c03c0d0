"""How much of a dopant goes into the grain, against temperature, by the spectra that a study kept."""

from dataclasses import dataclass
from pathlib import Path

from dopantfit.boundary.spectrum.answers import FEWEST_CARRIERS
from dopantfit.errors import ConfigError
from dopantfit.statistics import Interval
from dopantfit.study import places
from dopantfit.study.item import read_table
from dopantfit.study.record import StudyRecord
from dopantfit.study.spectrum_stage import GRAIN_TABLE, mean_share
from dopantfit.study.summary import file_of
from dopantfit.study.systems import System


@dataclass(frozen=True)
class SpectrumShare:
    """Dopant fraction of the grain over that of the amorphous domain at a temperature [K], with its 95 % interval.

    counts: whether enough sampled sites carry the dopants of every domain for it to mean something.
    """

    temperature_K: float
    ratio: Interval
    counts: bool

    def as_dict(self) -> dict[str, object]:
        """Return plain numbers."""
        return {"temperature_K": self.temperature_K, **self.ratio.as_dict(), "counts": self.counts}


@dataclass(frozen=True)
class _Share:
    """The same of one boundary. carriers: sampled sites that carry the dopants of the domain that has fewest."""

    ratio: Interval
    carriers: float


def grain_shares(folder: Path, record: StudyRecord, boundary: System) -> tuple[SpectrumShare, ...]:
    """The share by temperature, over the spectra of a boundary's quenches; none where the study kept no spectra.

    As in the verdict, quenches whose spectra do not count are left out where any does.
    Raises ConfigError for a table that is not what the study wrote.
    """
    tasks = [name for name in record.tasks if places.is_spectrum(name, boundary)]
    paths = [path for name in tasks if (path := file_of(folder, record, name, GRAIN_TABLE)) is not None]
    quenches = [shares for path in paths if (shares := _read(path))]
    temperatures = sorted(set.intersection(*map(set, quenches))) if quenches else []
    return tuple(_pooled(kelvin, [one[kelvin] for one in quenches]) for kelvin in temperatures)


def _pooled(kelvin: float, quenches: list[_Share]) -> SpectrumShare:
    """Of several quenches the mean of the logarithms, with Student's interval; of one its own."""
    counted = [one.ratio for one in quenches if one.carriers >= FEWEST_CARRIERS]
    ratios = counted or [one.ratio for one in quenches]
    share = ratios[0] if len(ratios) == 1 else mean_share(ratios).interval()
    return SpectrumShare(kelvin, share, bool(counted))


def _read(path: Path) -> dict[float, _Share]:
    """Shares by temperature [K]; none where one of the domains has no sites. Tables of before do not tell carriers."""
    rows = [{name: value or 0.0 for name, value in row.items()} for row in read_table(path)]
    try:
        return {
            float(row["temperature_K"]): _Share(
                Interval(*(float(row[name]) for name in ("low", "high", "value"))), float(row.get("carriers", 0.0))
            )
            for row in rows
            if row["of"] == "spectrum"
        }
    except (KeyError, TypeError, ValueError):
        raise ConfigError(f"{path}: is no table of a spectrum; run `dopantfit study` (and --keep) again") from None
