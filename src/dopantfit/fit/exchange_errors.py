"""How far potentials are from the exchange energies of a reference, side by side, partner by partner."""

from collections.abc import Mapping, Sequence

import numpy as np

from dopantfit.fit.exchanges import DifferenceModel, ExchangeComparison, RelaxedDifference
from dopantfit.fit.record_schema import ExchangeErrors, ExchangeOutcome, ExchangeRecord
from dopantfit.potential import Potential

SIDES = ("train", "held_out")
ALL = "all"


def exchange_record(
    targets: Sequence[RelaxedDifference], potentials: Mapping[str, Potential], prepared_for: Potential
) -> ExchangeRecord | None:
    """Energies and errors of potentials, by role; None without targets. prepared_for: see ``DifferenceModel``.

    Raises ConfigError for a potential that lacks a species.
    """
    if not targets:
        return None
    model = DifferenceModel(targets, prepared_for)
    found = {role: model.compare(potential) for role, potential in potentials.items()}
    energies = tuple(
        ExchangeOutcome(
            name=one.name,
            partner=one.partner,
            held_out=one.held_out,
            reference=one.reference,
            energies={role: comparisons[number].energy for role, comparisons in found.items()},
            farthest={role: comparisons[number].farthest for role, comparisons in found.items()},
        )
        for number, one in enumerate(targets)
    )
    return ExchangeRecord(energies=energies, errors=tuple(_errors(targets, found)))


def _errors(
    targets: Sequence[RelaxedDifference], found: Mapping[str, Sequence[ExchangeComparison]]
) -> list[ExchangeErrors]:
    """Of all partners and of each, side by side."""
    entries = []
    for side in SIDES:
        of_side = [n for n, one in enumerate(targets) if one.held_out == (side == "held_out")]
        for partner in (ALL, *dict.fromkeys(targets[n].partner for n in of_side)):
            rows = [n for n in of_side if partner in (ALL, targets[n].partner)]
            if not rows:
                continue
            differences = {role: [one[n].difference for n in rows] for role, one in found.items()}
            entries.append(
                ExchangeErrors(
                    side=side,
                    partner=partner,
                    exchanges=len(rows),
                    reference=float(np.mean([targets[n].reference for n in rows])),
                    bias={role: mean_of(one) for role, one in differences.items()},
                    rms_error={role: root_mean_square(one) for role, one in differences.items()},
                )
            )
    return entries


def mean_of(differences: Sequence[float | None]) -> float | None:
    """Their mean; None where one is not known."""
    known = [one for one in differences if one is not None]
    return float(np.mean(known)) if len(known) == len(differences) else None


def root_mean_square(differences: Sequence[float | None]) -> float | None:
    """Their root mean square; None where one is not known."""
    known = [one for one in differences if one is not None]
    return float(np.sqrt(np.mean(np.square(known)))) if len(known) == len(differences) else None


def rms_by_side(record: ExchangeRecord, role: str) -> dict[str, float | None]:
    """RMS error of all exchange energies of a potential [eV], by side."""
    return {one.side: one.rms_error[role] for one in record.errors if one.partner == ALL}
