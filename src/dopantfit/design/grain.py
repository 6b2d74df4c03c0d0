"""What stays of a dopant in the grain, as a study of it found: the constraint of a design."""

from dataclasses import dataclass
from pathlib import Path

from dopantfit.statistics import Interval
from dopantfit.study.config import StudyConfig
from dopantfit.study.record import STUDY_RECORD, StudyRecord
from dopantfit.study.values import Range
from dopantfit.study.verdict import Answer
from dopantfit.workflow.schema import Model


class GrainShare(Model):
    """Dopant fraction of the grain over that of the boundary, at a dose of the study [at%], and its limit.

    rests_on: how it is known, such as a spectrum or a chain of swaps.
    """

    dose: float
    share: Range
    limit: float
    answer: Answer
    rests_on: str

    @property
    def excess(self) -> float:
        """Above 0 where all of the interval is above the limit: what a constraint of a search is."""
        return self.share.low - self.limit


@dataclass(frozen=True)
class GrainShares:
    """What a study says of a dopant's share; why: in words, where it says nothing, or what it rests on."""

    found: tuple[GrainShare, ...]
    why: str

    def of(self, dose: float) -> GrainShare | None:
        """Return the share at the dose of the study that is nearest; None where no study tells."""
        return min(self.found, key=lambda one: abs(one.dose - dose), default=None)


def grain_shares(folder: Path, study: StudyConfig, potential: str) -> GrainShares:
    """Return what the study that was kept in the folder of a fit says. potential: SHA-256 of the one that is used.

    Raises ConfigError for a record that is not whole.
    """
    kept = StudyRecord.in_folder(folder)
    if kept is None or kept[1].verdict is None:
        return GrainShares((), f"{folder}: holds no study of {study.dopant}, so no composition is held to its share")
    place, record = kept
    if record.config.dopant != study.dopant:
        return GrainShares((), f"{place}: is a study of {record.config.dopant}, and says nothing of {study.dopant}")
    found, doses = [], record.config.doping.concentrations
    for dose, answer in zip(doses, record.verdict.compositions.values(), strict=False) if record.verdict else ():
        check = answer.checks[0]
        if check.limit is not None and check.interval.high < float("inf"):
            found.append(
                GrainShare(
                    dose=dose,
                    share=Interval(check.interval.low, check.interval.high, check.interval.value),
                    limit=check.limit,
                    answer=check.answer,
                    rests_on=_source(check.basis.source if check.basis else "", check.reason),
                )
            )
    if not found:
        return GrainShares((), f"{place / STUDY_RECORD}: its share in the grain is not known yet")
    other = "" if record.record.inputs.get("potential") == potential else ", made with another potential"
    return GrainShares(tuple(found), f"{place / STUDY_RECORD}{other}: {found[0].rests_on}")


def _source(source: str, reason: str) -> str:
    words = {"spectra": "by the spectrum", "walkers": "by the chain of swaps"}.get(source, "by the study")
    return f"{words} ({reason})" if reason else words
