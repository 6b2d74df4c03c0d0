"""One dopant put into a structure that holds none, so that its exchange with every other site can be asked for."""

import numpy as np
from ase import Atoms

from dopantfit.boundary.dope.voids import largest_voids
from dopantfit.boundary.profile.domains import Domains, Span
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.structures import Host, labels_of, with_labels


def with_one_dopant(
    atoms: Atoms, domains: Domains, host: Host, dopant: str, potential: Potential, rng: np.random.Generator
) -> Atoms:
    """The structure with one dopant on a place of its amorphous domain, drawn at random, and its balance.

    Its places are those of the framework, of the mobile ion for a dopant that has no more charge than that.

    Mobile ions that the dopant brings take the largest voids of the domain, those that it removes are its nearest. In a
    structure without amorphous domain any of them may be drawn.
    Raises ConfigError where there is no such site, or whole mobile ions cannot balance the dopant.
    """
    labels = np.array(labels_of(atoms), dtype=object)
    period = float(atoms.cell[2, 2])
    where = domains.amorphous if domains.intervals["amorphous"] else Span(0.0, period, period)
    charges = {label: ion.formal_charge for label, ion in potential.species.items()}
    places = host.places_of(charges[dopant])
    sites = np.flatnonzero(where.contains(atoms.positions[:, 2]) & np.isin(labels, list(places)))
    if not len(sites):
        raise ConfigError(f"the structure has no {' or '.join(places)} that {dopant} could take the place of")
    site = int(rng.choice(sites))
    extra, rest = divmod(charges[str(labels[site])] - charges[dopant], charges[host.mobile])
    if rest:
        raise ConfigError(f"whole {host.mobile} cannot balance one {dopant} for {labels[site]}; give a doped structure")
    labels[site] = dopant
    if extra > 0:
        anions = labels == host.polyanion.ligand
        voids, _ = largest_voids(atoms, anions, where, extra)
        more = atoms + Atoms(f"H{extra}", positions=voids)
        return with_labels(more, [*labels, *[host.mobile] * extra])
    result = with_labels(atoms, list(labels))
    mobile = np.flatnonzero(labels == host.mobile)
    if -extra > len(mobile):
        raise ConfigError(f"{dopant} needs {-extra} {host.mobile} removed, the structure has {len(mobile)}")
    away = atoms.get_distances(site, mobile, mic=True)
    gone = mobile[np.argsort(away, kind="stable")[: abs(extra)]]
    return result[np.setdiff1d(np.arange(len(atoms)), gone)]
