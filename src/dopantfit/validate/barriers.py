"""Gate f: turn-over radii, inside which ions fall into each other, and the barriers in front of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dopantfit.potential import Potential
from dopantfit.potential.checks import Pair
from dopantfit.potential.turnover import pair_energy, turn_overs
from dopantfit.validate import thresholds
from dopantfit.validate.figures import COLOURS, MARKERS, label, new_figure, save_figure
from dopantfit.validate.gate import Gate, GateWork
from dopantfit.validate.subject import Subject

#: Closest approach of cations (P included) and of anions in crystals [Å]: edges shared with a PO4 unit, its own edges.
CATIONS_MEET, ANIONS_MEET = 2.6, 2.4
_GRID = 2000


@dataclass(frozen=True)
class Barrier:
    """A pair's turn-over radius [Å], the energy there [eV], and its height above where ions meet in crystals [eV]."""

    pair: Pair
    radius: float
    energy: float
    height: float
    repels: bool


def barriers(potential: Potential) -> list[Barrier]:
    """The barrier of every pair that has a turn-over.

    Its height is measured from the lowest pair energy between the turn-over and where such ions meet in crystals.
    """
    found = []
    for pair, turn in turn_overs(potential).items():
        if turn is None:
            continue
        charges = [potential.species[one].total_charge for one in pair]
        meet = ANIONS_MEET if max(charges) < 0.0 else CATIONS_MEET
        outside = pair_energy(potential, *pair, np.linspace(turn.radius, max(meet, turn.radius + 0.1), _GRID))
        height = turn.energy - float(outside.min())
        found.append(Barrier(pair, turn.radius, turn.energy, height, charges[0] * charges[1] > 0.0))
    return found


def turn_over(subject: Subject, work: GateWork) -> Gate:
    """Hold every turn-over radius of like charges, and every barrier, against its limit."""
    found = barriers(subject.potential)
    repelling = [one for one in found if one.repels]
    checks = []
    if repelling:
        widest = max(repelling, key=lambda one: one.radius)
        name = f"largest turn-over radius of like charges ({'-'.join(widest.pair)})"
        checks.append(thresholds.TURN_OVER_RADIUS.check(name, widest.radius))
        finding = f"{'-'.join(widest.pair)} turns over farthest out, at {widest.radius:.2f} Å"
    else:
        # No turn-over at all is the best case: radius zero, nothing to fall into.
        checks.append(thresholds.TURN_OVER_RADIUS.check("largest turn-over radius of like charges (none)", 0.0))
        finding = "no pair of like charges turns over"
    if found:
        lowest = min(found, key=lambda one: one.height)
        checks.append(thresholds.BARRIER.check(f"lowest barrier ({'-'.join(lowest.pair)})", lowest.height))
        finding += f"; the lowest barrier, {'-'.join(lowest.pair)}, is {lowest.height:.1f} eV high"
    return Gate(
        name="turn-over",
        finding=finding,
        checks=tuple(checks),
        figures=(_draw(found, work.figures, finding),),
        details={"pairs": {"-".join(one.pair): {"radius_A": one.radius, "height_eV": one.height} for one in found}},
    )


def _draw(found: list[Barrier], folder: Path, title: str) -> str:
    figure, (panel,) = new_figure(width=5.5)
    for repels, text, colour, marker in zip((True, False), ("like", "unlike"), COLOURS, MARKERS, strict=False):
        chosen = [one for one in found if one.repels == repels]
        panel.semilogy(
            [o.radius for o in chosen], [o.height for o in chosen], marker, color=colour, label=f"{text} charges"
        )
        for one in chosen:
            place = (one.radius, one.height)
            panel.annotate("-".join(one.pair), place, (4, 3), textcoords="offset points", fontsize=7)
    panel.axvline(thresholds.TURN_OVER_RADIUS.high, color=COLOURS[0], linewidth=0.7, linestyle="--")
    panel.axhline(thresholds.BARRIER.low, color=COLOURS[6], linewidth=0.7, linestyle="--")
    label(panel, "turn-over radius (Å)", "barrier in front of it (eV)")
    panel.legend(fontsize=8)
    header = ("pair", "radius_A", "energy_eV", "barrier_eV", "like_charges")
    rows = [("-".join(o.pair), o.radius, o.energy, o.height, o.repels) for o in found]
    return save_figure(figure, folder, "turn-over", title, header, rows)
