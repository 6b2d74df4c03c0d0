"""The folder of a new dopant's fit as people would write it: fit.toml, validate.toml, study.toml."""

from collections.abc import Mapping

from dopantfit.potential import Buckingham, Potential
from dopantfit.potential.checks import Pair
from dopantfit.presets import PRESETS
from dopantfit.project.compound import SimpleCompound
from dopantfit.project.request import DopantRequest
from dopantfit.project.start import bond_change, rounded, size_change
from dopantfit.strict_toml import toml_lines, toml_value

#: How far the search may go from a start: with the ligand, with the centre of the polyanion, with other cations, which
#: no frame brings near and whose box is as narrow as the host's own cation pairs are alike.
_A_FACTOR = {"ligand": 10.0, "centre": 20.0, "cation": 5.0}
_RHO = {"ligand": (0.72, 1.4), "centre": (0.75, 2.5), "cation": (0.75, 1.5)}
#: Upper bound of C beside what the start has [eV Å⁶].
_C = {"ligand": 60.0, "centre": 150.0, "cation": 15.0}
_WEIGHT = 3.0
#: How the fit searches, the same for every dopant.
_SEARCH = """\
[guards]
turn_over_radius = 1.5  # Å; below it ions fall together
turn_over_error = 0.05  # Å

[swarm]
particles = 40
generations = 20

[local]
starts = 3
max_iterations = 10
gauss_newton_steps = 20

[ensemble]
draws = 20
"""


def fit_text(
    request: DopantRequest,
    start: Potential,
    sets: Mapping[str, tuple[str, ...]],
    exchanges: Mapping[str, tuple[str, ...]],
    host_potential: str,
    compound: SimpleCompound,
) -> str:
    """``fit.toml``. sets: path → families that are held out; the last is that of the compound. exchanges: likewise."""
    dopant, name = request.dopant, f"{request.host.name}-{request.dopant.lower()}"
    path = list(sets)[-1]
    written = "\n".join(_set_text(*one, is_compound=one[0] == path) for one in sets.items())
    exchanged = "\n".join(_exchanges_text(*one) for one in exchanges.items())
    pairs = {pair: term for pair, term in start.pairs.items() if dopant in pair}
    preoptimised = [f"rho {'-'.join(sorted(pair))}" for pair in _of_compound(request, pairs)]
    unit, change = request.host.polyanion, f"{size_change(request):+.3f} Å by ionic radii{_bond_words(request)}"
    return f"""\
# Fit of the {dopant} pairs in {request.host.formula}. A in eV, rho in Å, C in eV Å⁶ of A exp(-r/rho) - C/r⁶.
name = {toml_value(name)}
host = {toml_value(host_potential)}  # everything without {dopant}, frozen
compare_with = "start.toml"  # where the fit starts: its errors stand beside the fitted ones
seed = 1
hold_unseen = true  # pairs that no frame brings near keep their starts

[dopant]
label = {toml_value(dopant)}
formal_charge = {request.charge}  # e; its charge is {start.charge_scale} times this
mass = {start.species[dopant].mass!r}  # u

# An error counts as one residual; what the host itself is off by is about 0.5 eV/Å. Whole families are held out.
{written}
{exchanged}
[force_weights]
{dopant} = {_WEIGHT}  # few {dopant} among many ions: without a weight the fit would hardly see their forces

# Starts: {request.like} of the host, moved by the difference in size, {change}.
# Bounds with {unit.ligand} and {unit.centre} are wide; other cations touch {dopant} in no frame, and theirs are narrow.
{_pair_texts(request, pairs)}
{_preoptimisation(compound, path, preoptimised)}
{_SEARCH}"""


def _preoptimisation(compound: SimpleCompound, path: str, parameters: list[str]) -> str:
    """The table of the pre-optimisation; in comments where the crystal is an estimate, which may not be stable."""
    lines = f"""\
[preoptimisation]
reference = "frames"
path = {toml_value(path)}
family = "volumes"
parameters = {toml_value(parameters)}
""".splitlines()
    if compound.is_scaled:
        lines = [
            "# The compound is an estimate, and may be no minimum of the start; its frames are fitted all the",
            "# same. With these lines its relaxed cell is first brought to the minimum of its equation of state.",
            *(f"# {line}" for line in lines),
        ]
    else:
        lines = [
            "# The compound's relaxed cell is brought to the minimum of its equation of state. Where a basis makes",
            "# crystals too large, give a measured cell of a crystal of the library here instead.",
            *lines,
        ]
    return "\n".join(lines) + "\n"


def _set_text(path: str, held_out: tuple[str, ...], is_compound: bool) -> str:
    stress = "stress_error = 0.5    # GPa; forces alone let an open framework fall in\n" if is_compound else ""
    return f"""\
[[sets]]
path = {toml_value(path)}
force_error = 0.5     # eV/Å
energy_error = 0.005  # eV/atom, within a composition
{stress}held_out_families = {toml_value(held_out)}
"""


def _exchanges_text(path: str, held_out: tuple[str, ...]) -> str:
    return f"""\
# Relaxed exchange energies. Soft ions may relax into other sites than the reference's, which no parameter mends.
[[exchanges]]
path = {toml_value(path)}
energy_error = 0.05   # eV
held_out = {toml_value(held_out)}
"""


def _bond_words(request: DopantRequest) -> str:
    change = bond_change(request)
    return "" if change is None else f" ({change:+.3f} Å by bond valences)"


def _pair_texts(request: DopantRequest, pairs: Mapping[Pair, Buckingham]) -> str:
    return "\n".join(_pair_text(request, pair, term) for pair, term in pairs.items())


def _pair_text(request: DopantRequest, pair: Pair, term: Buckingham) -> str:
    kind = _kind(request, pair)
    factor = _A_FACTOR[kind]
    quantities = {
        "A": (term.A, rounded(term.A / factor), rounded(term.A * factor)),
        "rho": (term.rho, *(rounded(factor * term.rho) for factor in _RHO[kind])),
        "C": (term.C, 0.0, max(_C[kind], rounded(1.5 * term.C))),
    }
    lines = {name: {"start": start, "bounds": [low, high]} for name, (start, low, high) in quantities.items()}
    return f"""\
[pairs.{toml_value("-".join(pair))}]
{toml_lines(lines)}"""


def _kind(request: DopantRequest, pair: Pair) -> str:
    other = pair[0] if pair[1] == request.dopant else pair[1]
    unit = request.host.polyanion
    return {unit.ligand: "ligand", unit.centre: "centre"}.get(other, "cation")


def _of_compound(request: DopantRequest, pairs: Mapping[Pair, Buckingham]) -> list[Pair]:
    """The pairs that shape the simple compound: with the ligand and the centre; two dopants never touch in it."""
    wanted = {request.host.polyanion.ligand, request.host.polyanion.centre, request.dopant}
    return [pair for pair in pairs if set(pair) <= wanted and len(set(pair)) == 2]


def validate_text(
    request: DopantRequest, compound: SimpleCompound, structure: str, host: str, exchanges: tuple[str, ...]
) -> str:
    """``validate.toml``. structure: path of the compound's crystal. host: as it is named there. exchanges: paths."""
    where = {"prototype": compound.prototype} if compound.prototype else {"structure": structure}
    warning = (
        "# Its cell is an estimate, and no potential should be held against that: give the measured one with `cell`.\n"
        if compound.is_scaled
        else ""
    )
    cell = [round(float(x), 4) for x in compound.atoms.cell.cellpar()]
    return f"""\
# What the potential is held against; tables that are not here keep the host's values.
host = {toml_value(host)}

{warning}[compound]
{toml_lines(where)}# cell = {cell}  # Å and degrees; that of the structure by default
source = {toml_value(compound.source)}

# {request.dopant} on other cations' places, relaxed, against the sets' own energies.
[exchange]
sets = {toml_value([{"path": path} for path in exchanges])}
label_error = 0.05  # eV
"""


def study_text(request: DopantRequest, host: str) -> str:
    """``study.toml``."""
    return f"""\
# Should {request.dopant} go into the grain boundary of {request.host.formula}?
# Every value of a preset ({", ".join(PRESETS)}) can be written here instead.
preset = "quick"
host = {toml_value(host)}
seed = 1
dopant = {toml_value(request.dopant)}
replaces = {toml_value(request.replaced)}  # whose places it takes in the boundary, in proportion to their number
potential = "potential.toml"     # what `dopantfit fit` writes
validation = "validation.json"   # what `dopantfit validate` writes
"""
