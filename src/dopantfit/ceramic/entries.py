"""Computed entries that people give, and the compositions that a window is asked of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymatgen.core import Composition
from pymatgen.entries.computed_entries import ComputedEntry

from dopantfit.errors import ConfigError
from dopantfit.potential.checks import element_of
from dopantfit.strict_toml import read_text
from dopantfit.structures import Host
from dopantfit.study.item_schemas import ProfileFacts
from dopantfit.study.summary import StudySummary

_FORM = 'expected a list of ComputedEntry as pymatgen writes them, or {"source": "...", "entries": [...]}'


@dataclass(frozen=True)
class Entries:
    """Entries with what their energies rest on, as their file says."""

    entries: Sequence[ComputedEntry]
    rests_on: str


def read_entries(path: Path) -> Entries:
    """Read a JSON file of computed entries; ConfigError, one line, for anything else."""
    try:
        content = json.loads(read_text(path))
        given = content if isinstance(content, list) else content["entries"]
        told = "" if isinstance(content, list) else str(content["source"])
        entries = [ComputedEntry.from_dict(one) for one in given]
        energies = [float(one.energy_per_atom) for one in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ZeroDivisionError) as problem:
        reason = " ".join(str(problem).split())[:100]
        raise ConfigError(f"{path}: holds no computed entries ({type(problem).__name__}: {reason}); {_FORM}") from None
    if not entries or any(abs(one) > 1e6 or one != one for one in energies):
        raise ConfigError(f"{path}: has no entries, or energies that are none [eV]; {_FORM}")
    return Entries(entries, told or _by_parameters(entries))


def _by_parameters(entries: Sequence[ComputedEntry]) -> str:
    """What the parameters of the entries say of their method."""
    told = [one.parameters.get("run_type") or one.parameters.get("functional") for one in entries]
    kinds = sorted({str(one) for one in told if one})
    return f"run types {', '.join(kinds)}" if kinds else "the file does not say what made its energies"


def compositions_given(words: Sequence[str]) -> dict[str, dict[str, float]]:
    """Read ``formula`` or ``name=formula``; ConfigError for what is no formula, or a name that comes twice."""
    found: dict[str, dict[str, float]] = {}
    for word in words:
        name, _, formula = word.rpartition("=")
        try:
            given = Composition(formula)
            amounts = {one.symbol: float(amount) for one, amount in given.items()} if given.valid else {}
        except (ValueError, KeyError, TypeError):
            amounts = {}
        if not amounts:
            raise ConfigError(f"--composition {word}: is no formula; write it as Li2O, or as doped=Li2MgO2")
        if (name or formula) in found:
            raise ConfigError(f"--composition {word}: {name or formula} is named twice; give each one name")
        found[name or formula] = amounts
    return found


def compositions_of(study: StudySummary) -> dict[str, dict[str, float]]:
    """The undoped amorphous phase of a study's host, and that of every dose; per formula unit."""
    item = study.item("01-dopant-profiles", ProfileFacts)
    if item is None:
        why = study.why_missing("01-dopant-profiles")
        raise ConfigError(f"{study.folder}: compositions come from the result 01-dopant-profiles: {why}")
    return {"undoped": _undoped(study.host)} | {
        system: _by_element(amounts) for system, amounts in item.facts.compositions.items() if amounts
    }


def _undoped(host: Host) -> dict[str, float]:
    unit, count = host.polyanion, host.polyanions_per_unit
    return _by_element({**host.amorphous.cations, unit.centre: count, unit.ligand: count * unit.count})


def _by_element(amounts: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for label, amount in amounts.items():
        element: Any = element_of(label)
        found[element] = found.get(element, 0.0) + float(amount)
    return found
