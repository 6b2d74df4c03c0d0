"""One configuration, ready to be evaluated: everything that depends on where the ions are, and on no parameter."""

from dataclasses import dataclass, replace

import ase
import numpy as np

from dopantfit.energy.arrays import Floats, Integers
from dopantfit.energy.ewald import EwaldPlan, miller_indices, plan_ewald, strain_factors
from dopantfit.energy.neighbours import Ghosts, Lists, NeighbourRuns, find_neighbours, neighbour_runs
from dopantfit.energy.structure_checks import check_geometry, check_memory, refuse_overlap
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.structures import labels_of
from dopantfit.units import COULOMB

#: Neighbour lists reach this far [Å] beyond the cutoffs: a shell may then go half as far from where its core was.
SKIN = 0.7
#: rms error of a force that the Ewald sum is planned for [eV/Å]. Waves left out only ever lower the energy, which adds
#: up over ions: at 1e-6 it is 1e-6 eV/atom, at this value a tenth of that.
ACCURACY = 2e-7
#: A cell whose charges sum to less than this [e] is neutral: sums of a thousand decimals round at 1e-12.
NEUTRAL = 1e-6
#: How far [Å] an approximate Hessian that preconditions a relaxation looks.
PRECONDITIONER_REACH = 5.0


@dataclass(frozen=True)
class Frame:
    """A configuration with its neighbour lists and Ewald plan.

    name: what messages call it. labels: the distinct species. species: index into them, ``shape=(n_ions,)``.
    positions: of the cores, wrapped into the cell [Å]. cell: row vectors [Å]. shell_ions: the ions that have a shell.
    listed: core positions for which the neighbour lists were made; they hold while no site is more than ``skin / 2``
    from the one that its core had there. near_lists: what a preconditioner looks at.
    """

    name: str
    labels: tuple[str, ...]
    species: Integers
    positions: Floats
    cell: Floats
    shell_ions: Integers
    plan: EwaldPlan
    miller: Integers
    strain: Floats
    cutoff: float
    skin: float
    listed: Floats
    lists: Lists
    near_lists: Lists

    @property
    def volume(self) -> float:
        """Volume of the cell [Å³]."""
        return abs(float(np.linalg.det(self.cell)))

    def covers(self, displacement: Floats) -> bool:
        """Whether the neighbour lists hold for the cores here and shells displaced from them (n_shells, 3) [Å]."""
        moved = self.positions - self.listed
        moved_shells = moved[self.shell_ions] + displacement
        largest = max(longest(moved), longest(moved_shells))
        return 2 * largest <= self.skin

    def relisted(self, displacement: Floats) -> "Frame":
        """The same frame with neighbour lists that reach far enough for these shell displacements."""
        return _with_lists(replace(self, skin=2 * longest(displacement) + SKIN, listed=self.positions))

    def moved(self, positions: Floats) -> "Frame":
        """The same ions in the same cell at new positions [Å]; lists and Ewald plan are kept while they hold."""
        shift = np.round((positions - self.positions) @ np.linalg.inv(self.cell)) @ self.cell
        frame = replace(self, positions=positions - shift)
        if 2 * longest(frame.positions - self.listed) <= 0.5 * self.skin:
            return frame
        return _with_lists(replace(frame, listed=frame.positions, skin=SKIN))


def longest(vectors: Floats) -> float:
    """Length of the longest of some vectors, ``shape=(n, 3)``; 0 without any."""
    return float(np.sqrt(np.max(np.einsum("ij,ij->i", vectors, vectors), initial=0.0)))


def make_frame(
    atoms: ase.Atoms,
    potential: Potential,
    name: str = "structure",
    accuracy: float = ACCURACY,
    coulomb: float = COULOMB,
    background: bool = False,
) -> Frame:
    """Prepares ions (no shells) for a potential.

    accuracy: requested rms error of the forces [eV/Å]. coulomb: e²/4πε0 [eV Å]. background: whether a charged cell is
    taken, which its energy model makes neutral by a uniform background.
    Raises ConfigError for a species that the potential lacks, NaN or overlapping positions, a cell that is not
    periodic, is charged, or is smaller than a bond.
    """
    check_geometry(atoms, name)
    labels, species = species_of(atoms, potential, name, background)
    has_shell = np.array([potential.species[label].shell is not None for label in labels])
    cell = np.ascontiguousarray(atoms.cell.array, dtype=np.float64)
    positions = np.ascontiguousarray(atoms.get_positions(wrap=True), dtype=np.float64)
    shells = [potential.species[label].shell for label in labels]
    core_charges = np.array([potential.species[label].charge for label in labels])[species]
    shell_charges = np.array([shell.charge if shell else 0.0 for shell in shells])[species][has_shell[species]]
    plan = plan_ewald(cell, np.concatenate([core_charges, shell_charges]), len(species), accuracy, coulomb)
    no_runs = NeighbourRuns(np.empty(0, np.uint32), np.empty((0, 0), np.int64))
    no_lists = Lists(Ghosts(np.empty(0, np.int64), np.empty((0, 3))), no_runs, no_runs)
    frame = Frame(
        name=name,
        labels=labels,
        species=species,
        positions=positions,
        cell=cell,
        shell_ions=np.flatnonzero(has_shell[species]),
        plan=plan,
        miller=miller_indices(plan),
        strain=strain_factors(plan),
        cutoff=potential.cutoff,
        skin=SKIN,
        listed=positions,
        lists=no_lists,
        near_lists=no_lists,
    )
    return _with_lists(frame)


def species_of(
    atoms: ase.Atoms, potential: Potential, name: str, background: bool = False
) -> tuple[tuple[str, ...], Integers]:
    """The distinct species and each ion's index among them; refuses unknown species, and a charged cell without one."""
    ion_labels = labels_of(atoms)
    labels = tuple(sorted(set(ion_labels)))
    missing = [label for label in labels if label not in potential.species]
    if missing:
        raise ConfigError(
            f"{name}: no parameters for {', '.join(map(repr, missing))} in potential {potential.name}, which has "
            f"{', '.join(sorted(potential.species))}; add the species or choose another potential"
        )
    species = np.array([labels.index(label) for label in ion_labels], dtype=np.int64)
    charges = np.array([potential.species[label].total_charge for label in labels])
    charge = float(charges[species].sum())
    if abs(charge) > NEUTRAL and not background:
        counts = zip(np.bincount(species), labels, charges, strict=True)
        raise ConfigError(
            f"{name}: the cell ({', '.join(f'{n} {label} of {q:+.6g} e' for n, label, q in counts)}) has charge "
            f"{charge:+.6g} e and must be neutral; add or remove ions until the formal charges balance"
        )
    return labels, species


def _with_lists(frame: Frame) -> Frame:
    """The frame with neighbour lists made for its present positions and skin."""
    reaches = [cutoff + frame.skin for cutoff in (frame.plan.cutoff, frame.cutoff, PRECONDITIONER_REACH)]
    check_memory(frame.name, len(frame.species), frame.cell, max(reaches))
    near = find_neighbours(frame.positions, frame.cell, max(reaches))
    refuse_overlap(near, frame.name, [frame.labels[s] for s in frame.species])
    coulomb, buckingham, nearest = (neighbour_runs(near, frame.species, len(frame.labels), reach) for reach in reaches)
    lists = Lists(near.ghosts, coulomb, buckingham)
    return replace(frame, lists=lists, near_lists=Lists(near.ghosts, nearest, nearest))
