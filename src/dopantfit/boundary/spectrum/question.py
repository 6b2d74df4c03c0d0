"""What a spectrum is asked of."""

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from dopantfit.boundary.profile.domains import Domains
from dopantfit.boundary.spectrum.config import Sampling
from dopantfit.boundary.spectrum.placing import with_one_dopant
from dopantfit.energy.frame import species_of
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.structures import Host, labels_of
from dopantfit.structures.hosts.load import check_potential
from dopantfit.workflow.provenance import hash_of


@dataclass(frozen=True)
class SpectrumQuestion:
    """What a spectrum is asked of: a structure with its domains (normal along z), its host, a potential."""

    atoms: Atoms
    domains: Domains
    host: Host
    potential: Potential
    sampling: Sampling

    def check(self) -> None:
        """Raise ConfigError for what no exchange can be made of."""
        sampling, potential = self.sampling, self.potential
        check_potential(self.host, potential)
        for label in (sampling.dopant, *sampling.partners):
            if label not in potential.species:
                raise ConfigError(
                    f"{label} is not in potential {potential.name!r} ({', '.join(potential.species)}); take a "
                    "potential with the dopant and its partners"
                )
        if sampling.dopant in self.host.charges or potential.species[sampling.dopant].formal_charge <= 0:
            what = "an ion of the host" if sampling.dopant in self.host.charges else "no cation"
            raise ConfigError(f"dopant {sampling.dopant!r} is {what}; name a cation that the host does not hold")
        species_of(self.atoms, potential, "the structure")  # refuses unknown ions and a charged cell

    def doped(self) -> Atoms:
        """The structure, with one dopant where it holds none."""
        if self.sampling.dopant in labels_of(self.atoms):
            return self.atoms
        rng = np.random.default_rng([self.sampling.seed, 3])
        return with_one_dopant(self.atoms, self.domains, self.host, self.sampling.dopant, self.potential, rng)


def structure_hash(atoms: Atoms) -> str:
    """Hash of a structure."""
    return hash_of([labels_of(atoms), atoms.cell.array.tolist(), atoms.positions.tolist()])
