"""What the page takes out of each result: columns of its table and facts. An older study may lack some."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Needed:
    """Columns and facts of one result."""

    columns: tuple[str, ...]
    facts: tuple[str, ...] = ()


def _number(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}_{end}" for end in ("value", "error", "low", "high"))


_SIGMA = Needed(("system", "species", *_number("sigma")), ("ratios", "runs"))

NEEDED: Mapping[str, Needed] = {
    "01-dopant-profiles": Needed(("system", "z", "mean", "deviation", "structures"), ("compositions",)),
    "02-acceptance": Needed(("system", "sites", "partner", "attempts", *_number("acceptance"))),
    "03-host-profile": Needed(("z", "mean"), ("label", "domains")),
    "04-site-occupancy": Needed(
        ("system", "site", "count", "share", "volume_change", "volume_change_low", "volume_change_high"),
        ("attempts_per_dopant", "constant_pressure_ps"),
    ),
    "05-li-density": Needed(
        ("site", "from", "to", "difference", "error"), ("system", "dopants", "smoothing_A", "runs_ps")
    ),
    "06-crystal-conductivities": _SIGMA,
    "07-ternary": Needed(("system",), ("labels",)),
    "08-reducible-distance": Needed(("system", "structures", *_number("nearest"), *_number("density")), ("volumes",)),
    "09-densities": Needed(("system", *_number("mass_density"), *_number("number_density")), ("volumes",)),
    "10-amorphous-conductivities": _SIGMA,
    "10-arrhenius": Needed(("temperature", "species", *_number("sigma")), ("system", "activation_energy_eV", "lines")),
    "11-walkers": Needed(("system", "round", "walker", "temperature", "energy")),
}


def lacking(name: str, columns: Mapping[str, str], facts: Mapping[str, object]) -> str:
    """Say which column or fact a result lacks; empty where it has all that the page takes, or is not on it."""
    wanted = NEEDED.get(name, Needed(()))
    kinds = (("column", wanted.columns, columns), ("fact", wanted.facts, facts))
    return next((f"{kind} `{one}`" for kind, names, there in kinds for one in names if one not in there), "")
