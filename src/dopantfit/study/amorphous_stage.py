"""The amorphous cells of a study: A_ref from the undoped boundary, A_i from the walkers, T_0 from A_ref."""

import numpy as np

from dopantfit.boundary.profile.domains import Span
from dopantfit.potential import Potential
from dopantfit.structures import labels_of
from dopantfit.study.amorphous import cut, without
from dopantfit.study.boundary_stage import domains_in
from dopantfit.study.dynamics import counts_of
from dopantfit.study.files import STRUCTURE, read_structure, write_structure
from dopantfit.study.host import SUBSTITUTE
from dopantfit.workflow.graph import action
from dopantfit.workflow.work import Outcome, Work


@action(version=1)
def build_amorphous(work: Work) -> Outcome:
    """Cut an amorphous cell out of the boundary, or out of a walker.

    needs: boundary, and bleeding for A_i. settings: rank (of the walker by energy, from 1), margin [Å], mobile.
    """
    boundary = work.needs["boundary"]
    source = boundary.file(STRUCTURE)
    if "bleeding" in work.needs:
        source = work.needs["bleeding"].file(f"walker-{work.settings['rank']}.extxyz")
    atoms = read_structure(source)
    window = _inner(domains_in(boundary.result["domains"], atoms).amorphous, work.settings["margin"])
    piece = cut(atoms, window.low, window.high, _charges(work), work.settings["mobile"])
    write_structure(work.folder / STRUCTURE, piece)
    return Outcome({"atoms": len(piece), "counts": counts_of(piece), "window_A": window.width}, (STRUCTURE,))


@action(version=1)
def build_without(work: Work) -> Outcome:
    """Make T_0: every Ti of A_ref becomes dopant or Al.

    needs: reference. settings: removed, dopant, share (of the dopant), mobile, seed.
    """
    want, atoms = work.settings, read_structure(work.needs["reference"].file(STRUCTURE))
    total = labels_of(atoms).count(want["removed"])
    dopants = round(want["share"] * total)
    exchange = {want["dopant"]: dopants, SUBSTITUTE: total - dopants}
    rng = np.random.default_rng(want["seed"])
    piece = without(atoms, exchange, want["removed"], _charges(work), want["mobile"], rng)
    write_structure(work.folder / STRUCTURE, piece)
    return Outcome({"atoms": len(piece), "counts": counts_of(piece)}, (STRUCTURE,))


def _inner(domain: Span, margin: float) -> Span:
    """The domain without a margin at each end, half of it at least."""
    room = min(margin, 0.25 * domain.width)
    return Span(domain.low + room, domain.high - room, domain.period)


def _charges(work: Work) -> dict[str, int]:
    potential = Potential.load(work.task.files["potential"])
    return {label: ion.formal_charge for label, ion in potential.species.items()}
