"""Where the fit of a new dopant starts: the pairs of the ion that it is most like, moved by the difference in size.

Of a like ion L and a dopant D, Δ = r_D - r_L: the repulsion that L-X has at r, D-X has at r + Δ, in proportion to the
charges, ρ kept: A_D = A_L (z_D / z_L) exp(Δ / ρ). The dispersion keeps its part of the energy where ions touch, at d:
C_D = C_L ((d + Δ) / d)⁶. D-D is moved twice.

Charges push a dopant of lower charge away from P less than they push L: with so much dispersion the two would fall
together in a melt. So no cation turns over with another beyond ``DANGEROUS_RADIUS``, where a fit has its guard too.
"""

import math

from ase.data import atomic_masses, atomic_numbers

from dopantfit.potential import Buckingham, Potential, Species
from dopantfit.potential.checks import Pair
from dopantfit.potential.turnover import DANGEROUS_RADIUS, most_dispersion
from dopantfit.project.ions import bond_valence_length, ionic_radius
from dopantfit.project.request import DopantRequest

#: Digits of a start; a scaled number is no better than its first.
_DIGITS = 5


def start_potential(request: DopantRequest) -> Potential:
    """The host with the dopant, scaled from the like ion; ConfigError where a radius is not known."""
    host, like = request.potential, request.like
    change = size_change(request)
    ion = Species(
        formal_charge=request.charge,
        charge=(host.charge_scale or 0.0) * request.charge,
        mass=round(float(atomic_masses[atomic_numbers[request.dopant]]), 3),
    )
    charge = request.charge / host.species[like].formal_charge
    pairs: dict[Pair, Buckingham] = {}
    for other, species in host.species.items():
        term = scaled(host.pair(like, other), charge, change, _contact(request, other))
        pairs[request.dopant, other] = held_apart(term, ion.charge * species.buckingham_charge)
    own = scaled(host.pair(like, like), charge**2, 2.0 * change, _contact(request))
    pairs[request.dopant, request.dopant] = held_apart(own, ion.charge**2)
    citation = (
        f"{request.dopant} from {like} of {host.name}, scaled by ionic radii ({change:+.3f} Å); a start, not fitted"
    )
    return host.with_dopant(request.dopant, ion, pairs, name=f"{host.name}-{request.dopant}-start", citation=citation)


def size_change(request: DopantRequest) -> float:
    """How much larger the dopant is than the ion that it is like, by Shannon's radii [Å]."""
    formal = request.host.charges[request.like]
    return ionic_radius(request.dopant, request.charge) - ionic_radius(request.like, formal)


def bond_change(request: DopantRequest) -> float | None:
    """The same by bond valences, of bonds with the ligand [Å]; None where they are not known."""
    ligand = request.host.polyanion.ligand
    ours = bond_valence_length(request.dopant, request.charge, ligand)
    theirs = bond_valence_length(request.like, request.host.charges[request.like], ligand)
    return None if ours is None or theirs is None else ours - theirs


def scaled(term: Buckingham, charge: float, change: float, apart: float) -> Buckingham:
    """The term of a like pair for ions with `charge` times its charges, that touch at `apart` + `change` [Å]."""
    A = term.A * charge * math.exp(change / term.rho)
    C = term.C * ((apart + change) / apart) ** 6
    return Buckingham(A=rounded(A), rho=term.rho, C=rounded(C))


def held_apart(term: Buckingham, charges: float) -> Buckingham:
    """The term with so little dispersion that ions which repel each other stay apart. charges: their product [e²]."""
    if charges <= 0.0:
        return term
    C = min(term.C, most_dispersion(term, charges, DANGEROUS_RADIUS))
    return Buckingham(A=term.A, rho=term.rho, C=rounded(C))


def rounded(value: float) -> float:
    """A number with as many digits as a start has."""
    return float(f"{value:.{_DIGITS}g}")


def _contact(request: DopantRequest, other: str | None = None) -> float:
    """Where the like ion and another one (itself by default) touch [Å]: a bond, or across a ligand."""
    charges, ligand = request.host.charges, request.host.polyanion.ligand
    radii = [ionic_radius(one, charges[one]) for one in (request.like, other or request.like)]
    return sum(radii) if other == ligand else sum(radii) + 2.0 * ionic_radius(ligand, charges[ligand])
