"""Crystal cells: C_ref, and C_i with as many dopants on such sites as the boundary of the same number let in."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.potential.checks import element_of
from dopantfit.structures import Substitution, labels_of, load_host, substituted, with_labels
from dopantfit.study.files import STRUCTURE, write_structure
from dopantfit.workflow.graph import action
from dopantfit.workflow.work import Outcome, Work


@action(version=1)
def build_crystal(work: Work) -> Outcome:
    """Build C_ref, or C_i from what the bleeding analysis found.

    needs: bleeding (not for C_ref), with ``grain_fraction`` of the dopant among all ions and ``sites``, how often it
    sat on each kind. settings: edge, x, dopant, seed (the same for all, so that all have the same Al).
    """
    want = work.settings
    charge = Potential.load(work.task.files["potential"]).species[want["dopant"]].formal_charge
    sites = {}
    if "bleeding" in work.needs:
        found = work.needs["bleeding"].result
        total = round(found["grain_fraction"] * reference_size(want["edge"], want["x"]))
        sites = shares(total, site_weights(found))
    atoms, kinds = doped_crystal(
        want["edge"], want["x"], want["dopant"], charge, sites, np.random.default_rng(want["seed"])
    )
    write_structure(work.folder / STRUCTURE, atoms)
    result = {"atoms": len(atoms), "dopants": sum(sites.values()), "sites": sites, "dopant_sites": kinds}
    return Outcome(result, (STRUCTURE,))


def site_weights(found: Mapping[str, Any]) -> dict[str, float]:
    """Return in what proportion dopants sit on the kinds of site, from the record of the bleeding analysis.

    Where all that are in the grain sit between sites, as beside a complexion, they count by the partners that they have
    changed places with; where none has, and dynamics brought them there, by the partners that were tried.
    """
    accepted, tried = ({k: v[one] for k, v in found["acceptance"].items()} for one in ("accepted", "attempts"))
    return next((one for one in (found["sites"], accepted, tried) if any(one.values())), found["sites"])


def reference_size(edge: int, x: float) -> int:
    """Number of ions of C_ref: those of the formula units, and the mobile ones that partners bring."""
    host = load_host()
    units = host.units_in(edge)
    return sum(host.formula_unit.values()) * units + host.mobile_per_partner() * round(x * units)


def shares(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Split a whole number by weights, largest remainders first (ties by name).

    Raises ConfigError when there is something to split and no weight.
    """
    whole = sum(weights.values())
    if total == 0 or not whole > 0:
        if total:
            raise ConfigError(f"{total} dopant ions in the grain, but no site that they sit on")
        return dict.fromkeys(sorted(weights), 0)
    exact = {name: total * weights[name] / whole for name in sorted(weights)}
    result = {name: int(value) for name, value in exact.items()}
    for name in sorted(exact, key=lambda name: result[name] - exact[name])[: total - sum(result.values())]:
        result[name] += 1
    return result


def doped_crystal(
    edge: int, x: float, dopant: str, charge: int, sites: Mapping[str, int], rng: np.random.Generator
) -> tuple[Atoms, dict[str, list[int]]]:
    """Build a charge-balanced crystal cell, and say which of its ions are dopants on which kind of site.

    edge: pseudo-cubic cells along each edge. sites: label of the replaced host ion -> number of dopants.
    Raises ConfigError when there are too few ions or sites.
    """
    host = load_host()
    partners = host.partners(round(x * host.units_in(edge)))
    # A label of its own for each kind of site, so that it is known after the ions were sorted.
    marks = {f"{element_of(dopant)}_on{label}": label for label in sorted(sites) if sites[label]}
    changes = [Substitution(label, mark, charge, sites[label]) for mark, label in marks.items()]
    marked = substituted(host.pseudo_cubic(edge), [partners, *changes], rng)
    labels = labels_of(marked)
    kinds = {label: [i for i, found in enumerate(labels) if found == mark] for mark, label in marks.items()}
    return with_labels(marked, [dopant if label in marks else label for label in labels]), kinds
