"""Gate i: relaxed energies of the dopant on other cations' places, against a reference, partner by partner."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dopantfit.fit.exchange_errors import mean_of, root_mean_square
from dopantfit.fit.exchanges import DifferenceModel, ExchangeComparison, RelaxedDifference
from dopantfit.validate import thresholds
from dopantfit.validate.exchange_labels import LabelDifference
from dopantfit.validate.figures import COLOURS, MARKERS, label, new_figure, save_figure
from dopantfit.validate.gate import Check, Gate, GateWork
from dopantfit.validate.subject import Subject
from dopantfit.workflow.names import drawn

SUBJECT, COMPARED = "subject", "compared"


def exchange(subject: Subject, work: GateWork) -> Gate:
    """Hold exchange energies, their errors and the order of the partners against the reference's.

    Those that the fit was not held to decide, where there are any.
    """
    exchanges = subject.exchanges
    potentials = {SUBJECT: subject.potential}
    if subject.peer is not None and subject.peer.species.keys() >= subject.potential.species.keys():
        potentials[COMPARED] = subject.peer
    model = DifferenceModel(exchanges.targets, subject.potential)
    found: dict[str, list[ExchangeComparison]] = {}
    for number, (role, potential) in enumerate(potentials.items()):
        work.report(f"{potential.name} on {len(exchanges.targets)} exchanges", number / len(potentials))
        found[role] = model.compare(potential)
    judged = [one for one in found[SUBJECT] if one.target.name in exchanges.unseen]
    errors = {role: errors_by_partner(one) for role, one in found.items()}
    finding = _finding(errors, judged, exchanges.labels)
    return Gate(
        name="exchange",
        finding=finding,
        checks=tuple(_checks(judged, subject.label_error)),
        figures=(_draw(found, exchanges.unseen, work, finding),),
        details={
            "unseen": len(judged) if exchanges.some_were_fitted else None,
            "errors": {role: [one.as_dict() for one in rows] for role, rows in errors.items()},
            "energies_eV": [_entry(rows) for rows in zip(*found.values(), strict=True)],
            "labels_against_dft": [one.as_dict() for one in exchanges.labels],
        },
    )


@dataclass(frozen=True)
class PartnerError:
    """How far a potential is from the reference with one partner, or with all [eV]; None where ends are not at rest.

    reference, energy: means of both.
    """

    partner: str
    count: int
    reference: float
    energy: float | None
    bias: float | None
    rms_error: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers [eV]."""
        return {
            "partner": self.partner,
            "exchanges": self.count,
            "reference_eV": self.reference,
            "energy_eV": self.energy,
            "bias_eV": self.bias,
            "rms_error_eV": self.rms_error,
        }


def errors_by_partner(found: Sequence[ExchangeComparison]) -> list[PartnerError]:
    """Errors of all exchanges, then of each partner, in the order of the reference's mean energies."""
    groups = {name: [one for one in found if one.target.partner == name] for name in _partners(found)}
    return [_error("all", found), *(_error(name, rows) for name, rows in groups.items())]


def _partners(found: Sequence[ExchangeComparison]) -> list[str]:
    """Partners, the one that costs least in the reference first."""
    names = dict.fromkeys(one.target.partner for one in found)
    return sorted(names, key=lambda name: np.mean([o.target.reference for o in found if o.target.partner == name]))


def _error(partner: str, rows: Sequence[ExchangeComparison]) -> PartnerError:
    reference = float(np.mean([one.target.reference for one in rows]))
    differences = [one.difference for one in rows]
    bias = mean_of(differences)
    energy = None if bias is None else reference + bias
    return PartnerError(partner, len(rows), reference, energy, bias, root_mean_square(differences))


def _checks(judged: Sequence[ExchangeComparison], label_error: float) -> list[Check]:
    """Ends at rest, RMS error, and partners in the reference's order where its labels tell them apart."""
    lost = sum(one.energy is None for one in judged)
    checks = [thresholds.EXCHANGE_AT_REST.check("exchanges whose ends do not come to rest", lost)]
    if lost:
        return checks
    every, *partners = errors_by_partner(judged)
    name = f"{thresholds.EXCHANGE_ERROR_OF} {every.count} exchange energies"
    checks.append(thresholds.EXCHANGE_ERROR.check(name, every.rms_error or 0.0))
    for cheap, dear in pairwise(partners):
        if dear.reference - cheap.reference > label_error:
            apart = (dear.energy or 0.0) - (cheap.energy or 0.0)
            name = f"mean with {dear.partner} above that with {cheap.partner}"
            checks.append(thresholds.EXCHANGE_ORDER.check(name, apart))
    return checks


def _finding(
    errors: Mapping[str, Sequence[PartnerError]],
    judged: Sequence[ExchangeComparison],
    labels: Sequence[LabelDifference],
) -> str:
    every, *partners = errors[SUBJECT]
    if every.rms_error is None:
        return "ends of exchanges do not come to rest"
    told = ", ".join(f"{one.partner} {one.bias:+.2f}" for one in partners)
    finding = f"{every.count} exchange energies within {every.rms_error:.2f} eV (RMS; bias: {told})"
    of_judged = root_mean_square([one.difference for one in judged])
    if len(judged) < every.count and of_judged is not None:
        finding += f"; {len(judged)} that were not fitted within {of_judged:.2f}"
    if COMPARED in errors and (other := errors[COMPARED][0].rms_error) is not None:
        finding += f"; compared: {other:.2f}"
    if labels:
        rms = root_mean_square([one.difference for one in labels]) or 0.0
        finding += f"; {len(labels)} labels within {rms:.2f} eV of DFT"
    return finding


def _entry(rows: Sequence[ExchangeComparison]) -> dict[str, Any]:
    target: RelaxedDifference = rows[0].target
    roles = dict(zip((SUBJECT, COMPARED), rows, strict=False))
    return {
        "exchange": target.name,
        "partner": target.partner,
        "reference": target.reference,
        **{role: one.energy for role, one in roles.items()},
        "farthest_A": {role: one.farthest for role, one in roles.items()},
    }


def _draw(found: Mapping[str, Sequence[ExchangeComparison]], unseen: frozenset[str], work: GateWork, title: str) -> str:
    figure, (panel,) = new_figure(width=5.5)
    partners, rows = _partners(found[SUBJECT]), []
    for role, comparisons in found.items():
        for partner, colour, marker in zip(partners, COLOURS, MARKERS, strict=False):
            chosen = [one for one in comparisons if one.target.partner == partner and one.energy is not None]
            face = colour if role == SUBJECT else "white"
            places = [[one.target.reference for one in chosen], [one.energy for one in chosen]]
            name = partner if role == SUBJECT else f"{partner}, compared"
            panel.plot(*places, marker, color=colour, markerfacecolor=face, markersize=5, label=drawn(name))
        rows += [
            (o.target.name, o.target.partner, role, o.target.name in unseen, o.target.reference, o.energy, o.farthest)
            for o in comparisons
        ]
    ends = np.array([min(row[4] for row in rows), max(row[4] for row in rows)])
    limit = thresholds.EXCHANGE_ERROR.high
    panel.plot(ends, ends, color="0.5", linewidth=0.8)
    panel.fill_between(ends, ends - limit, ends + limit, color="0.9", zorder=0)
    label(panel, "exchange energy, reference (eV)", "potential (eV)")
    panel.legend(fontsize=7, ncols=2)
    header = ("exchange", "partner", "potential", "unseen", "reference_eV", "energy_eV", "farthest_A")
    return save_figure(figure, work.figures, "exchange", title, header, rows)
