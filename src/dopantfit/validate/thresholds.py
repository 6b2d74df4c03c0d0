"""Every threshold of the gates, with its reason: here those that hold for any host, in a host's file its own."""

from math import inf

from dopantfit.structures.hosts import Host, Limit
from dopantfit.validate.gate import Threshold
from dopantfit.workflow.provenance import hash_of

# --- a: own engine against LAMMPS -------------------------------------------------------------------
PARITY_ENERGY = Threshold(-1e-6, 1e-6, "eV/atom", "ten times the truncation error that the Ewald sum is planned for")
PARITY_FORCE = Threshold(0.0, 1e-4, "eV/Å", "a thousandth of the smallest DFT force errors that are fitted")
PARITY_STRESS = Threshold(0.0, 1e-3, "GPa", "moves no cell length by more than 1e-5 (bulk moduli are near 100 GPa)")
PARITY_SHELL = Threshold(0.0, 1e-4, "eV/Å", "LAMMPS must find our relaxed shells at rest: both have the same minimum")

# --- b: held-out DFT frames -------------------------------------------------------------------------
ALIVE = Threshold(0.0, 0.0, "frames", "a potential under which the shells of a real structure collapse cannot run one")
FORCE_ERROR = Threshold(
    0.0,
    1.0,
    "eV/Å",
    "hosts of this family miss PBE forces by 0.5-0.8 eV/Å near and far from equilibrium; beyond 1.0 the added terms do "
    "harm of their own",
)
DOPANT_RATIO = Threshold(0.0, 1.0, "", "a fit must do at least as well on the dopant as the set that it replaces")
OTHERS_RATIO = Threshold(
    0.0,
    1.05,
    "",
    "what is gained on the dopant must not be paid for by the other ions; 5 % is the scatter of few frames",
)
EXPLAINED = Threshold(
    0.0, 1.0, "", "beyond 1 the potential is farther from DFT than none at all: zero forces, or the mean energy"
)
ENERGY_RATIO = Threshold(
    0.0, 1.1, "", "energy differences within a stoichiometry must not get worse; few frames scatter by 10 %"
)

# --- c: the simple phosphate of the dopant ----------------------------------------------------------
COMPOUND_VOLUME = Threshold(
    -4.0,
    4.0,
    "%",
    "PBE itself is off by 2 to 3 % in volume, and the relaxed host by 2.7 %: worse than both is the dopant",
)
COMPOUND_LENGTH = Threshold(-2.5, 2.5, "%", "the relaxed host is off by 1.6 % in its worst axis, PBE by up to 1.5 %")
COMPOUND_ANGLE = Threshold(-2.0, 2.0, "°", "shears axes by no more than their own threshold, 2.5 %")
COMPOUND_BOND = Threshold(-0.05, 0.05, "Å", "2.5 % of a bond of 2 Å, as for the axes")
COMPOUND_PEAK = Threshold(
    -0.07, 0.07, "Å", "as the bonds, and 0.02 Å more for what a peak at 300 K moves against the crystal at rest"
)
COMPOUND_NEIGHBOUR = Threshold(
    -0.085,
    0.085,
    "Å",
    "2.5 % of 2.6 Å, as near as cations come in phosphates (polyhedra that share an edge), as for the axes, and 0.02 Å "
    "more for what a peak at 300 K moves against the crystal at rest",
)
COORDINATION = Threshold(
    -0.3, 0.3, "", "no more than one ion in three may change a neighbour at 300 K; fewer is a new phase"
)

# --- e: a hot run -----------------------------------------------------------------------------------
FOUR_COORDINATED = Threshold(
    0.99,
    1.0,
    "",
    "every network former keeps its four anions; 1 % allows for vibrations caught beyond the bond length",
    ceiling=True,
)
CORE_SHELL = Threshold(0.0, 0.5, "Å", "equilibrium shells stay within 0.25 Å: a shell at twice that has left its ion")
ENERGY_DRIFT = Threshold(-0.1, 0.1, "meV/atom/ps", "100 ps of it are 10 meV/atom, less than a tenth of k T at 1400 K")

# --- f: turn-over radii -----------------------------------------------------------------------------
TURN_OVER_RADIUS = Threshold(
    0.0, 1.9, "Å", "structures are built with cations no closer than 2.4 Å; 0.5 Å are two standard deviations of a "
    "distance at 2000 K"
)  # fmt: skip
BARRIER = Threshold(
    3.8,
    inf,
    "eV",
    "22 k T at 2000 K: twelve walkers of 300 ps with a thousand close pairs make 4e7 attempts (1e13 a second); all of "
    "them together cross with a chance of 1 %",
)

# --- g: migration of one ion --------------------------------------------------------------------------
MIGRATION = Threshold(
    0.05,
    0.8,
    "eV",
    "below 2 k T at 300 K there is no site to hop from; 1e13 tries a second against 0.8 eV are less than one hop a "
    "second, no conductor",
)
MIGRATION_DIFFERENCE = Threshold(
    -0.15, 0.15, "eV", "0.15 eV are a factor of 12 in the rate at 700 K, what different runs of one potential differ by"
)

# --- i: exchange energies, where validate.toml names a set of them --------------------------------------
EXCHANGE_AT_REST = Threshold(
    0.0, 0.0, "exchanges", "a potential under which real crystals fall apart cannot say where a dopant goes"
)
EXCHANGE_ERROR = Threshold(
    0.0, 0.086, "eV", "k T at 1000 K, where the study exchanges: beyond it, odds of a site are off by more than e"
)
#: What the name of the number held against it begins with.
EXCHANGE_ERROR_OF = "RMS error of"
EXCHANGE_ORDER = Threshold(
    0.0, inf, "eV", "the dopant must prefer the same cation's place as in the reference, where that tells them apart"
)

# --- h: ion dynamics --------------------------------------------------------------------------------
MOBILE_HOPS = Threshold(4.0, inf, "hops", "with four hops seen, none at all would be chance in 2 % of runs (Poisson)")
FRAMEWORK_MSD = Threshold(
    0.0,
    0.6,
    "Å²",
    "vibrations at 700 K are 0.1-0.3 Å²; an ion that leaves its site adds at least 6 Å² divided by their number",
)


def of_host(host: Host, name: str) -> Threshold:
    """The threshold of the host that has this name in its file."""
    limit: Limit = getattr(host.thresholds, name)
    low, high = (-inf if limit.low is None else limit.low), (inf if limit.high is None else limit.high)
    return Threshold(low, high, limit.unit, limit.reason)


def sha256(host: Host, exchanges: bool = False) -> str:
    """Hash of every limit, so that a record made under others can be told.

    exchanges: whether exchange energies are judged; their limits change no record without them.
    """
    left_out = () if exchanges else (EXCHANGE_AT_REST, EXCHANGE_ERROR, EXCHANGE_ORDER)
    found = {name: one for name, one in globals().items() if isinstance(one, Threshold) and one not in left_out}
    found |= {name.upper(): of_host(host, name) for name in type(host.thresholds).model_fields}
    return hash_of({name: [str(one.low), str(one.high), one.unit] for name, one in found.items()})
