"""Crystal prototypes, hosts, supercells and charge-balanced substitution."""

from dopantfit.structures.cells import (
    check_distances,
    labels_of,
    sorted_by_label,
    supercell,
    total_formal_charge,
    with_labels,
)
from dopantfit.structures.hosts import Host, host_names, load_host
from dopantfit.structures.oxidation import formal_charges, mean_charges
from dopantfit.structures.prototypes import Crystal, Prototype, crystal, prototype, prototype_names
from dopantfit.structures.substitution import Substitution, substituted

__all__ = [
    "Crystal",
    "Host",
    "Prototype",
    "Substitution",
    "check_distances",
    "crystal",
    "formal_charges",
    "host_names",
    "labels_of",
    "load_host",
    "mean_charges",
    "prototype",
    "prototype_names",
    "sorted_by_label",
    "substituted",
    "supercell",
    "total_formal_charge",
    "with_labels",
]
