"""A potential and its turn-over radii, for people (tables) and for programs (JSON)."""

from typing import TYPE_CHECKING, Any

from dopantfit.potential.model import Potential
from dopantfit.potential.turnover import DANGEROUS_RADIUS, is_dangerous, turn_overs
from dopantfit.terminal import new_table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def as_json(potential: Potential) -> dict[str, Any]:
    """Return everything about a potential as JSON-like data at full precision."""
    pairs = [
        {
            "pair": list(pair),
            **potential.pairs[pair].model_dump(),
            "turn_over": {"radius": found.radius, "energy": found.energy} if found else None,
            "dangerous": is_dangerous(potential, pair, found),
        }
        for pair, found in turn_overs(potential).items()
    ]
    return {
        "name": potential.name,
        "citation": potential.citation,
        "units": {"charge": "e", "mass": "u", "spring": "eV/Å²", "A": "eV", "rho": "Å", "C": "eV Å⁶"}
        | {"cutoff": "Å", "radius": "Å", "energy": "eV"},
        "cutoff": potential.cutoff,
        "neutral_in": list(potential.neutral_in),
        "species": {label: ion.model_dump() for label, ion in potential.species.items()},
        "pairs": pairs,
    }


def as_tables(potential: Potential) -> list["RenderableType"]:
    """Return what ``potential show`` prints: a heading, the species, the pairs, and what the marks mean."""
    from rich.text import Text

    heading = Text(f"{potential.name}\n{potential.citation}\nBuckingham cutoff {potential.cutoff:g} Å, truncated")
    dangerous = any(is_dangerous(potential, pair, found) for pair, found in turn_overs(potential).items())
    mark = f"! cations that turn over beyond {DANGEROUS_RADIUS:g} Å: a melt or a random start can get there"
    return [heading, _species_table(potential), _pair_table(potential), *([Text(mark)] if dangerous else [])]


def _species_table(potential: Potential) -> "Table":
    table = new_table("Species", "ion", "formal (e)", "core (e)", "core (u)", "shell (e)", "shell (u)", "k (eV/Å²)")
    for label, ion in potential.species.items():
        shell = ion.shell
        of_shell = (f"{shell.charge:+g}", f"{shell.mass:g}", f"{shell.spring:g}") if shell else ("", "", "")
        table.add_row(label, f"{ion.formal_charge:+d}", f"{ion.charge:+g}", f"{ion.mass:g}", *of_shell)
    return table


def _pair_table(potential: Potential) -> "Table":
    table = new_table("Pairs", "pair", "A (eV)", "ρ (Å)", "C (eV Å⁶)", "turn-over (Å)", "barrier (eV)", "")
    for pair, found in turn_overs(potential).items():
        term = potential.pairs[pair]
        barrier = (f"{found.radius:.2f}", f"{found.energy:.1f}") if found else ("none", "")
        mark = "!" if is_dangerous(potential, pair, found) else ""
        table.add_row("-".join(pair), f"{term.A:.3f}", f"{term.rho:.4f}", f"{term.C:.3f}", *barrier, mark)
    return table
