"""The amorphous cells of a study: A_ref from the undoped boundary, A_i from the walkers, T_0 from A_ref."""

import numpy as np

from dopantfit.boundary.profile.domains import Span
from dopantfit.potential import Potential
from dopantfit.structures import Host, labels_of
from dopantfit.study.amorphous import cut, dose_counts, exchanged, without
from dopantfit.study.bleeding_stage import GrainPenetration
from dopantfit.study.boundary_stage import BuiltBoundary
from dopantfit.study.dynamics import Ions, counts_of
from dopantfit.study.files import STRUCTURE, read_structure, walker_of_rank, write_structure
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action


class GlassCut(Model):
    """A cell out of the boundary, or with `bleeding` out of a walker. rank: of it by energy, from 1. margin: [Å]."""

    host: Host
    rank: int
    margin: float
    boundary: TaskOutput[BuiltBoundary]
    bleeding: TaskOutput[GrainPenetration] | None = None


class CutGlass(Ions):
    """An amorphous cell. window_A: width of what was cut [Å]."""

    window_A: float


class GlassExchange(Model):
    """Every reducible ion of the reference glass becomes dopant, a part `share` of them, or the host's partner."""

    host: Host
    dopant: str
    share: float
    seed: int
    reference: TaskOutput[CutGlass]


class GlassDose(Model):
    """The reference glass with a dopant on places of its framework: see `dopantfit.study.amorphous.dose_counts`.

    percent: dopant in all ions [at%]. share: of the reducible ion among what is replaced.
    """

    host: Host
    dopant: str
    percent: float
    share: float
    seed: int
    reference: TaskOutput[CutGlass]


class DosedGlass(Ions):
    """A doped glass. replaced: ions of every label that gave their places."""

    replaced: dict[str, int]


@typed_action(GlassCut, CutGlass, version=1)
def build_amorphous(here: Here, want: GlassCut) -> Product[CutGlass]:
    """Cut an amorphous cell out of the boundary, or out of a walker."""
    boundary = here.made(want.boundary)
    source = boundary.file(STRUCTURE)
    if want.bleeding is not None:
        source = here.made(want.bleeding).file(walker_of_rank(want.rank))
    atoms = read_structure(source)
    window = _inner(boundary.result.domains.within(atoms).amorphous, want.margin)
    piece = cut(atoms, window.low, window.high, _charges(here), want.host)
    write_structure(here.folder / STRUCTURE, piece)
    return Product(CutGlass(atoms=len(piece), counts=counts_of(piece), window_A=window.width), (STRUCTURE,))


@typed_action(GlassExchange, Ions, version=1)
def build_without(here: Here, want: GlassExchange) -> Product[Ions]:
    """Make T_0: every reducible ion of A_ref becomes dopant or the host's partner."""
    atoms = read_structure(here.made(want.reference).file(STRUCTURE))
    total = labels_of(atoms).count(want.host.reducible)
    dopants = round(want.share * total)
    host = want.host
    exchange = {want.dopant: dopants, host.substitution.partner: total - dopants}
    piece = without(atoms, exchange, host.reducible, _charges(here), host.mobile, np.random.default_rng(want.seed))
    write_structure(here.folder / STRUCTURE, piece)
    return Product(Ions(atoms=len(piece), counts=counts_of(piece)), (STRUCTURE,))


@typed_action(GlassDose, DosedGlass, version=1)
def dose_glass(here: Here, want: GlassDose) -> Product[DosedGlass]:
    """Put a dose of the dopant into A_ref."""
    atoms, charges = read_structure(here.made(want.reference).file(STRUCTURE)), _charges(here)
    replaced = dose_counts(counts_of(atoms), charges, want.dopant, want.host, want.percent, want.share)
    exchange = {label: {want.dopant: count} for label, count in replaced.items()}
    piece = exchanged(atoms, exchange, charges, want.host.mobile, np.random.default_rng(want.seed))
    write_structure(here.folder / STRUCTURE, piece)
    return Product(DosedGlass(atoms=len(piece), counts=counts_of(piece), replaced=replaced), (STRUCTURE,))


def _inner(domain: Span, margin: float) -> Span:
    """The domain without a margin at each end, half of it at least."""
    room = min(margin, 0.25 * domain.width)
    return Span(domain.low + room, domain.high - room, domain.period)


def _charges(here: Here) -> dict[str, int]:
    potential = Potential.load(here.path("potential"))
    return {label: ion.formal_charge for label, ion in potential.species.items()}
