"""Crystal cells: C_ref, and C_i with as many dopants on such sites as its boundary let in, one at least."""

from collections.abc import Mapping

import numpy as np
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.potential.checks import element_of
from dopantfit.structures import Host, Substitution, labels_of, substituted, with_labels
from dopantfit.study.bleeding_stage import GrainPenetration, merged
from dopantfit.study.files import STRUCTURE, write_structure
from dopantfit.workflow.schema import Model
from dopantfit.workflow.typed import Here, Product, TaskOutput, typed_action


class CrystalBuild(Model):
    """One crystal cell: C_ref, or with `bleeding` C_i.

    edge: pseudo-cubic cells along each edge. x: partners per formula unit. seed: the same for all of one arrangement,
    so that they have the same partners. bleeding: of every ladder of walkers.
    """

    host: Host
    edge: int
    x: float
    dopant: str
    seed: int
    bleeding: tuple[TaskOutput[GrainPenetration], ...] = ()


class BuiltCrystal(Model):
    """A crystal cell. sites: dopants by the host ion replaced; dopant_sites: their indices."""

    atoms: int
    dopants: int
    sites: dict[str, int]
    dopant_sites: dict[str, tuple[int, ...]]


@typed_action(CrystalBuild, BuiltCrystal, version=2)
def build_crystal(here: Here, want: CrystalBuild) -> Product[BuiltCrystal]:
    """Build C_ref, or C_i with as much dopant on such sites as the bleeding analysis found.

    C_i has one dopant at least: without any it would be C_ref once more, and say nothing of what a dopant does.
    """
    charge = Potential.load(here.path("potential")).species[want.dopant].formal_charge
    sites: dict[str, int] = {}
    found = merged([made.result for made in here.all_made(want.bleeding)])
    if found is not None:
        total = max(1, round(found.grain_fraction * reference_size(want.host, want.edge, want.x)))
        sites = shares(total, site_weights(found))
    rng = np.random.default_rng(want.seed)
    atoms, kinds = doped_crystal(want.host, want.edge, want.x, want.dopant, charge, sites, rng)
    write_structure(here.folder / STRUCTURE, atoms)
    indices = {label: tuple(ions) for label, ions in kinds.items()}
    result = BuiltCrystal(atoms=len(atoms), dopants=sum(sites.values()), sites=sites, dopant_sites=indices)
    return Product(result, (STRUCTURE,))


def site_weights(found: GrainPenetration) -> dict[str, int]:
    """Return in what proportion dopants sit on the kinds of site.

    Where all that are in the grain sit between sites, as beside a complexion, they count by the partners that they have
    changed places with; where none has, and dynamics brought them there, by the partners that were tried; alike where
    nothing was tried.
    """
    accepted = {label: one.accepted for label, one in found.acceptance.items()}
    tried = {label: one.attempts for label, one in found.acceptance.items()}
    alike = dict.fromkeys(found.sites, 1)
    return next((one for one in (found.sites, accepted, tried) if any(one.values())), alike)


def reference_size(host: Host, edge: int, x: float) -> int:
    """Number of ions of C_ref: those of the formula units, and the mobile ones that partners bring."""
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
    host: Host, edge: int, x: float, dopant: str, charge: int, sites: Mapping[str, int], rng: np.random.Generator
) -> tuple[Atoms, dict[str, list[int]]]:
    """Build a charge-balanced crystal cell, and say which of its ions are dopants on which kind of site.

    edge: pseudo-cubic cells along each edge. sites: label of the replaced host ion -> number of dopants.
    Raises ConfigError when there are too few ions or sites.
    """
    partners = host.partners(round(x * host.units_in(edge)))
    # A label of its own for each kind of site, so that it is known after the ions were sorted.
    marks = {f"{element_of(dopant)}_on{label}": label for label in sorted(sites) if sites[label]}
    changes = [Substitution(label, mark, charge, sites[label]) for mark, label in marks.items()]
    marked = substituted(host.pseudo_cubic(edge), [partners, *changes], rng)
    labels = labels_of(marked)
    kinds = {label: [i for i, found in enumerate(labels) if found == mark] for mark, label in marks.items()}
    return with_labels(marked, [dopant if label in marks else label for label in labels]), kinds
