"""Gate a: the project's own engine and LAMMPS agree on frames of every composition and on the crystals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.energy import ShellModel
from dopantfit.energy.frame import NEUTRAL
from dopantfit.lammps.inprocess import CLOSEST_SHELL, InProcessLammps
from dopantfit.potential import Potential
from dopantfit.structures import labels_of
from dopantfit.units import COULOMB_LAMMPS, EV_PER_A3_IN_GPA
from dopantfit.validate import thresholds
from dopantfit.validate.figures import COLOURS, MARKERS, label, new_figure, save_figure
from dopantfit.validate.gate import Check, Gate, GateWork
from dopantfit.validate.structures import ions_of, spread_over
from dopantfit.validate.subject import Subject

#: Our shells are relaxed to this [eV/Å], so that what is left is the difference of the engines.
_SHELLS = 1e-7
#: How far ions are shaken at first where a shell sits on its core [Å].
_SHAKEN = 0.02


@dataclass(frozen=True)
class Difference:
    """LAMMPS minus own engine on one structure: energy [eV/atom], largest force [eV/Å] and stress [GPa] component.

    stress: None of a charged cell: LAMMPS's virial lacks its background. shell_force: largest force that LAMMPS finds
    on a shell where the own engine has it at rest [eV/Å].
    """

    name: str
    energy: float
    force: float
    stress: float | None
    shell_force: float


def difference(atoms: Atoms, potential: Potential, name: str) -> Difference:
    """Evaluate one structure with both engines, with the constants of LAMMPS and at the same shells.

    A charged cell has a uniform background in both, as in the fit.
    Where an ion's shell sits on its core by symmetry, as that of O half-way between two P, LAMMPS cannot tell the two
    sites apart: ions are shaken a little then, and a little more, until no shell does.
    """
    ions, rng, shaken = atoms.copy(), np.random.default_rng(0), _SHAKEN
    species = [potential.species[one] for one in labels_of(ions)]
    polarised = [i for i, one in enumerate(species) if one.shell is not None]
    is_charged = abs(sum(one.total_charge for one in species)) > NEUTRAL
    while True:
        ions.calc = ShellModel(
            potential, tolerance=_SHELLS, coulomb=COULOMB_LAMMPS, structure_name=name, background=True
        )
        energy, forces, stress = ions.get_potential_energy(), ions.get_forces(), ions.get_stress()
        shells = ions.positions.copy()
        shells[polarised] = ions.calc.results["shells"]
        apart = np.linalg.norm(shells - ions.positions, axis=1)[polarised]
        if not (apart < 2.0 * CLOSEST_SHELL).any():
            break
        ions.positions = atoms.positions + rng.normal(scale=shaken, size=atoms.positions.shape)
        shaken *= 1.5
    with InProcessLammps(ions, potential, background=True) as lammps:
        lammps.tabulate_coulomb()
        lammps.set_positions(ions.positions, shells)
        return Difference(
            name=name,
            energy=(lammps.energy() - energy) / len(ions),
            force=float(np.abs(lammps.forces() - forces).max()),
            stress=None if is_charged else float(np.abs(lammps.stress() - stress).max()) * EV_PER_A3_IN_GPA,
            shell_force=float(np.abs(lammps.shell_forces()).max()),
        )


def parity(subject: Subject, work: GateWork) -> Gate:
    """Compare the engines on some frames of every composition, and on the pure and the doped host."""
    structures = _structures(subject)
    found = []
    for number, (name, atoms) in enumerate(structures.items()):
        work.report(name, number / len(structures))
        found.append(difference(atoms, subject.potential, name))
    finding = _finding(found)
    return Gate(
        name="parity",
        finding=finding,
        checks=tuple(checks_of(found)),
        figures=(_draw(found, work.figures, finding),),
        details={"structures": len(found)},
    )


def _finding(found: Sequence[Difference]) -> str:
    energy, force = (max(abs(getattr(one, what)) for one in found) for what in ("energy", "force"))
    charged = [one.name for one in found if one.stress is None]
    some = f"; without the stress of {len(charged)} charged cells" if charged else ""
    return f"own engine and LAMMPS agree to {energy:.1e} eV/atom and {force:.1e} eV/Å{some}"


def checks_of(found: Sequence[Difference]) -> list[Check]:
    """The largest differences against their limits."""
    limits = {
        "energy": (thresholds.PARITY_ENERGY, "difference of energy"),
        "force": (thresholds.PARITY_FORCE, "difference of a force component"),
        "stress": (thresholds.PARITY_STRESS, "difference of a stress component"),
        "shell_force": (thresholds.PARITY_SHELL, "force on a relaxed shell"),
    }
    return [
        limit.check(f"largest {text}", max(known, key=abs))
        for name, (limit, text) in limits.items()
        if (known := [value for one in found if (value := getattr(one, name)) is not None])
    ]


def _structures(subject: Subject) -> dict[str, Atoms]:
    """Frames of every set and composition, the pure and the doped host, by name."""
    chosen = spread_over(subject.targets, subject.preset.parity_frames)
    of_host = {
        "host": subject.host.conventional.ions,
        "doped host": subject.crystal(subject.settings.hot.x, subject.settings.hot.y, (1, 1, 1), subject.rng("parity")),
    }
    return {one.name: ions_of(one) for one in chosen} | of_host


def _draw(found: list[Difference], folder: Path, title: str) -> str:
    figure, (panel,) = new_figure(width=5.5)
    kinds = {"energy": "|energy| (eV/atom)", "force": "force (eV/Å)", "stress": "stress (GPa)"}
    for (kind, text), colour, marker in zip(kinds.items(), COLOURS, MARKERS, strict=False):
        known = [getattr(one, kind) for one in found]
        values = [float("nan") if one is None else max(abs(one), 1e-12) for one in known]
        panel.semilogy(range(len(found)), values, marker, color=colour, markersize=4, label=text)
    for limit, colour in zip((1e-6, 1e-4, 1e-3), COLOURS, strict=False):
        panel.axhline(limit, color=colour, linewidth=0.7, linestyle="--")
    label(panel, "structure (number in the CSV)", "largest difference LAMMPS - own engine")
    panel.legend(fontsize=8)
    header = ("number", "structure", "energy_eV_per_atom", "force_eV_per_A", "stress_GPa", "shell_force_eV_per_A")
    rows = [(i, d.name, d.energy, d.force, d.stress, d.shell_force) for i, d in enumerate(found)]
    return save_figure(figure, folder, "parity", title, header, rows)
