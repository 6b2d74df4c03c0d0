"""The simple compound of a dopant: from a file, from the library, or with the dopant in place of another ion."""

import math
from dataclasses import dataclass

from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.project.ions import ionic_radius
from dopantfit.project.request import DopantRequest
from dopantfit.structures import formal_charges, labels_of, prototype, prototype_names, total_formal_charge, with_labels
from dopantfit.structures.cells import heights
from dopantfit.structures.convert import read_crystal

#: Shortest distance between opposite faces of a cell that is computed with the Γ point only [Å].
_GAMMA_EDGE = 8.0


@dataclass(frozen=True)
class SimpleCompound:
    """A crystal of the dopant and the ions of the polyanion.

    prototype: its name in the library, None where it is written to a file. source: where it comes from.
    is_scaled: whether its cell was only estimated.
    """

    atoms: Atoms
    prototype: str | None
    source: str
    is_scaled: bool

    @property
    def formula(self) -> str:
        """Formula in lowest terms."""
        return str(self.atoms.symbols.formula.reduce()[0].format("metal"))

    @property
    def repeats(self) -> tuple[int, int, int]:
        """Repeats along the vectors after which the Γ point is enough."""
        one, two, three = (math.ceil(_GAMMA_EDGE / float(height)) for height in heights(self.atoms.cell.array))
        return one, two, three


def simple_compound(request: DopantRequest) -> SimpleCompound:
    """The compound of a request; ConfigError, one line, where there is none that would do."""
    if request.structure is not None:
        return _from_file(request)
    known = {name: prototype(name) for name in prototype_names()}
    charges = {name: formal_charges(atoms) for name, atoms in known.items()}
    unit = request.host.polyanion
    cation = {
        name: (set(found) - {unit.centre, unit.ligand}).pop()
        for name, found in charges.items()
        if len(found) == 3 and {unit.centre, unit.ligand} < set(found)
    }
    fitting = {name: ion for name, ion in cation.items() if charges[name][ion] == request.charge}
    if not fitting:
        raise ConfigError(
            f"{request.dopant}{request.charge:+d}: the library has no crystal of a cation {request.charge:+d} with "
            f"{unit.centre} and {unit.ligand} to put it in; give one with --structure"
        )
    for name, ion in fitting.items():
        if ion == request.dopant:
            return SimpleCompound(known[name], name, f"structure library, {name}", False)
    radius = ionic_radius(request.dopant, request.charge)
    nearest = min(fitting, key=lambda name: _distance(request, fitting[name], radius))
    return _substituted(request, known[nearest], nearest, fitting[nearest])


def _distance(request: DopantRequest, ion: str, radius: float) -> tuple[bool, float]:
    """The like ion first, then what is nearest in size."""
    return ion != request.like, abs(ionic_radius(ion, request.charge) - radius)


def _substituted(request: DopantRequest, crystal: Atoms, name: str, ion: str) -> SimpleCompound:
    """The crystal with the dopant in place of `ion`, its volume in proportion to that of the ions' spheres.

    Fractional coordinates stay: what is made of it relaxes its ions first, and looks for the volume.
    """
    charges = formal_charges(crystal)
    labels = [request.dopant if label == ion else label for label in labels_of(crystal)]
    radii = {label: ionic_radius(label, charge) for label, charge in charges.items()}
    radii[request.dopant] = ionic_radius(request.dopant, request.charge)
    before = sum(radii[label] ** 3 for label in labels_of(crystal))
    after = sum(radii[label] ** 3 for label in labels)
    atoms = with_labels(crystal, labels)
    atoms.set_cell(crystal.cell.array * (after / before) ** (1.0 / 3.0), scale_atoms=True)
    source = (
        f"{name} of the library with {request.dopant} for {ion}, volume scaled by {after / before:.4f} (ionic radii)"
    )
    return SimpleCompound(atoms, None, source, True)


def _from_file(request: DopantRequest) -> SimpleCompound:
    """What was given: an ordered crystal of the dopant in its charge and the ions of the polyanion."""
    path = request.structure
    assert path is not None
    atoms = read_crystal(path)
    unit, dopant = request.host.polyanion, request.dopant
    wanted = {dopant, unit.centre, unit.ligand}
    if set(labels_of(atoms)) != wanted:
        raise ConfigError(
            f"{path}: holds {', '.join(sorted(set(labels_of(atoms))))}, expected a compound of just "
            f"{', '.join(sorted(wanted))}; choose another structure"
        )
    charges = {dopant: request.charge} | {ion: request.host.charges[ion] for ion in (unit.centre, unit.ligand)}
    total = total_formal_charge(atoms, charges)
    if total:
        told = ", ".join(f"{ion} {charge:+d}" for ion, charge in charges.items())
        raise ConfigError(
            f"{path}: {atoms.get_chemical_formula()} has the charge {total:+d} e with {told}; mend --charge, or choose "
            "another structure"
        )
    plain = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
    return SimpleCompound(plain, None, f"{path.name}, as given", False)
