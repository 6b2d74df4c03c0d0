"""A potential as a LAMMPS include file: masses, Buckingham pairs, core-shell springs."""

from collections.abc import Iterable, Iterator
from itertools import combinations_with_replacement
from math import log

from dopantfit.lammps import guard as short_range
from dopantfit.lammps import syntax
from dopantfit.lammps.atom_types import AtomTypes, atom_types
from dopantfit.potential import Potential
from dopantfit.potential.terms import Buckingham

#: Cutoff [Å] of the empty Buckingham term of sites that feel Coulomb only, so that its exp() is never taken.
_EMPTY_CUTOFF = 0.001


#: The pair styles: any core-shell distance, zero included; and from a table, for shells that are off their cores.
_ANY_DISTANCE, _TABULATED = "buck/coul/long/cs", "buck/coul/long"
#: Energy [eV] below which a tabulated Buckingham term without dispersion ends.
_NEGLIGIBLE = 1e-7
#: The file beside the include file that holds the patches of a guarded potential, see `guard.table_text`.
GUARD_FILE = "guard.table"


def potential_include(
    potential: Potential,
    labels: Iterable[str] | None = None,
    guard: bool = False,
    tabulated: bool = False,
) -> str:
    """Write a LAMMPS include file for `potential`, to be read after ``read_data``.

    labels: the species of the run (all of the potential by default); atom types follow their sorted order,
        the types of the shells come after those of the cores.
    guard: lay the patches of `dopantfit.lammps.guard` over pairs that turn over at short range; they are read from
        GUARD_FILE.
    tabulated: for molecular dynamics, see `Dynamics.coulomb_table`; no shell may sit on its core.
    Raises ConfigError for a species that the potential does not know.

    Buckingham: A exp(-r/rho) - C/r^6, truncated, not shifted. LAMMPS's ``harmonic`` is K r², hence K = k/2.
    """
    types = atom_types(potential, labels)
    patches = short_range.patches(potential, types.core) if guard else ()
    buckingham = _TABULATED if tabulated else _ANY_DISTANCE
    style = f"{buckingham} {syntax.number(potential.cutoff)}"
    if patches:
        style = f"hybrid/overlay {style} table spline {short_range.TABLE_ROWS}"
    lines = [
        syntax.comment(f"Potential {potential.name}"),
        syntax.comment(f"Source: {potential.citation}"),
        "# Units (metal): charge e, mass u, A eV, rho A, C eV A^6, K eV/A^2 (half the spring constant).",
        "",
        *_masses(potential, types),
        "",
        f"pair_style {style}",
        "# Pairs without a Buckingham term, and bare cores of polarisable ions, feel Coulomb only.",
        f"pair_coeff * * {buckingham + ' ' if patches else ''}0.0 1.0 0.0 {_EMPTY_CUTOFF}",
        *_pair_coefficients(potential, types, buckingham if patches else "", _NEGLIGIBLE if tabulated else 0.0),
        *_guard(types, patches),
        *_springs(potential, types),
    ]
    return "\n".join(lines) + "\n"


def _masses(potential: Potential, types: AtomTypes) -> Iterator[str]:
    for label, core in types.core.items():
        ion = potential.species[label]
        what = f"{label} core" if ion.shell else label
        yield f"mass {core} {syntax.number(ion.mass)}  # {what}, charge {syntax.number(ion.charge)}"
    for label, number in types.shell.items():
        shell = potential.species[label].shell
        if shell is not None:
            mass, charge = syntax.number(shell.mass), syntax.number(shell.charge)
            yield f"mass {number} {mass}  # {label} shell, charge {charge}"


def _guard(types: AtomTypes, patches: Iterable[short_range.Patch]) -> Iterator[str]:
    for patch in patches:
        first, second = sorted(types.site_of_buckingham(label) for label in patch.pair)
        yield f"# {'-'.join(patch.pair)} turns over at {patch.turn_over:.3f} A; tangent inside {patch.radius:.3f} A"
        coefficients = f"{GUARD_FILE} {short_range.section(patch)} {syntax.number(patch.radius)}"
        yield f"pair_coeff {first} {second} table {coefficients}"


def _pair_coefficients(potential: Potential, types: AtomTypes, style: str, negligible: float) -> Iterator[str]:
    for first, second in combinations_with_replacement(types.core, 2):
        term = potential.pairs.get((first, second))
        if term is not None:
            sites = sorted((types.site_of_buckingham(first), types.site_of_buckingham(second)))
            end = _end(term, potential.cutoff, negligible)
            yield pair_coefficient(sites[0], sites[1], term.A, term.rho, term.C, end, style) + f"  # {first}-{second}"


def _end(term: Buckingham, cutoff: float, negligible: float) -> float:
    """Radius where a term is cut off [Å]: where it is negligible [eV], if it has no dispersion."""
    if term.C > 0.0 or negligible == 0.0:
        return cutoff
    return min(cutoff, max(_EMPTY_CUTOFF, term.rho * log(max(term.A, negligible) / negligible)))


def pair_coefficient(first: int, second: int, A: float, rho: float, C: float, cutoff: float, style: str = "") -> str:
    """Write the command that sets one Buckingham pair of two atom types (first <= second).

    style: name of the pair style where it is one of several.
    """
    values = " ".join(syntax.number(value) for value in (A, rho, C, cutoff))
    return " ".join(["pair_coeff", str(first), str(second), *([style] if style else []), values])


def _springs(potential: Potential, types: AtomTypes) -> Iterator[str]:
    if not types.shell:
        return
    yield ""
    yield "bond_style harmonic"
    for label, bond in types.bond.items():
        shell = potential.species[label].shell
        if shell is not None:
            yield f"bond_coeff {bond} {syntax.number(shell.spring / 2)} 0.0  # {label} core-shell"
    yield "# Core and shell of one ion see each other through the spring only."
    yield "special_bonds lj 0.0 0.0 0.0 coul 0.0 0.0 0.0"
