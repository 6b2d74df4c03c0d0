"""Crystal prototypes, supercells and charge-balanced substitution."""

from dopantfit.structures.cells import (
    check_distances,
    labels_of,
    sorted_by_label,
    supercell,
    total_formal_charge,
    with_labels,
)
from dopantfit.structures.prototypes import (
    Host,
    formal_charges,
    host,
    latp_cell,
    prototype,
    prototype_names,
    pseudo_cubic,
)
from dopantfit.structures.substitution import Substitution, lamtp, latp, substituted

__all__ = [
    "Host",
    "Substitution",
    "check_distances",
    "formal_charges",
    "host",
    "labels_of",
    "lamtp",
    "latp",
    "latp_cell",
    "prototype",
    "prototype_names",
    "pseudo_cubic",
    "sorted_by_label",
    "substituted",
    "supercell",
    "total_formal_charge",
    "with_labels",
]
