"""Gate b: energies and forces of frames that the potential has not seen, through LAMMPS, against DFT (Fig. S2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dopantfit.errors import CollapseError, ConvergenceError
from dopantfit.fit.data import Target
from dopantfit.fit.errors_by_group import FrameComparison, energy_errors, force_errors, surroundings
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.potential import Potential
from dopantfit.validate import thresholds
from dopantfit.validate.figures import COLOURS, MARKERS, label, new_figure, save_figure
from dopantfit.validate.gate import Check, Gate, GateWork
from dopantfit.validate.structures import ions_of
from dopantfit.validate.subject import Subject
from dopantfit.workflow.names import drawn

#: Largest force left on a shell [eV/Å], and accuracy of the Coulomb sum: forces on ions are then good to 1e-3 eV/Å.
_SHELLS, _KSPACE = 1e-4, "ewald 1e-7"

Table = list[dict[str, Any]]


def compare_by_lammps(potential: Potential, target: Target) -> FrameComparison:
    """Energy and forces of a frame by LAMMPS, its shells relaxed there; without numbers where they collapse."""
    atoms = ions_of(target)
    try:
        with InProcessLammps(atoms, potential, _KSPACE, background=True) as lammps:
            lammps.relax_shells(atoms.positions, _SHELLS)
            return FrameComparison(target, lammps.energy(), lammps.forces())
    except (CollapseError, ConvergenceError):
        return FrameComparison(target, None, None)


def correlation(subject: Subject, work: GateWork) -> Gate:
    """Errors on unseen frames per stoichiometry and species, beside those of the potential compared with."""
    potentials = {"subject": subject.potential} | ({"compared": subject.peer} if subject.peer else {})
    total, found = len(potentials) * len(subject.unseen), dict[str, list[FrameComparison]]()
    for role, potential in potentials.items():
        found[role] = []
        for target in subject.unseen:
            work.report(f"{potential.name} on {target.name}", sum(map(len, found.values())) / total)
            found[role].append(compare_by_lammps(potential, target))
    charges = {name: ion.total_charge for name, ion in subject.potential.species.items()}
    forces = {role: force_errors(rows, subject.dopant.label, charges) for role, rows in found.items()}
    energies = {role: energy_errors(rows) for role, rows in found.items()}
    finding = _finding(subject, forces)
    return Gate(
        name="correlation",
        finding=finding,
        checks=tuple(_checks(subject, found["subject"], forces, energies)),
        figures=(_draw(subject, found, work.figures, finding),),
        details={
            "frames": len(subject.unseen),
            "compositions": sorted({_composition(one) for one in subject.unseen}),
            **{
                role: {"potential": potential.name, "forces": forces[role], "energies": energies[role]}
                for role, potential in potentials.items()
            },
        },
    )  # fmt: skip


def _checks(
    subject: Subject, found: Sequence[FrameComparison], forces: dict[str, Table], energies: dict[str, Table]
) -> list[Check]:
    checks = [
        thresholds.ALIVE.check("frames in which shells collapse", sum(one.forces is None for one in found)),
        *(
            thresholds.FORCE_ERROR.check(f"RMS force error, {one['name']}", one["rms_error"])
            for one in forces["subject"]
            if one["kind"] == "composition"
        ),
    ]
    checks += _explained(subject.dopant.label, forces["subject"], energies["subject"])
    if "compared" not in forces:
        return checks
    other = subject.peer.name if subject.peer else ""
    for ours, theirs in _both(forces, "species") + _both(forces, "neighbourhood"):
        of_dopant = ours["name"] in (subject.dopant.label, surroundings(subject.dopant.label))
        limit = thresholds.DOPANT_RATIO if of_dopant else thresholds.OTHERS_RATIO
        name = f"force error on {ours['name']} over that of {other}"
        checks.append(limit.check(name, ours["rms_error"] / theirs["rms_error"]))
    for ours, theirs in _both(energies, "all"):
        name = f"error of energies within a stoichiometry over that of {other}"
        checks.append(thresholds.ENERGY_RATIO.check(name, ours["rms_error"] / theirs["rms_error"]))
    return checks


def _explained(dopant: str, forces: Table, energies: Table) -> list[Check]:
    """Errors on the dopant and of energies over those of no potential at all."""
    rows = [
        (f"force error on {one['name']} over the DFT force", one)
        for one in forces
        if (one["kind"], one["name"]) in (("species", dopant), ("neighbourhood", surroundings(dopant)))
    ]
    rows += [
        ("error of energies within a stoichiometry over their DFT spread", one)
        for one in energies
        if one["kind"] == "all"
    ]
    return [
        thresholds.EXPLAINED.check(name, one["rms_error"] / one["rms_reference"])
        for name, one in rows
        if one["rms_reference"] > 0.0
    ]


def _both(tables: dict[str, Table], kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Entries of one kind that both potentials have, with an error to compare with."""
    theirs = {one["name"]: one for one in tables["compared"] if one["kind"] == kind and one["rms_error"] > 0.0}
    return [(one, theirs[one["name"]]) for one in tables["subject"] if one["kind"] == kind and one["name"] in theirs]


def _finding(subject: Subject, forces: dict[str, Table]) -> str:
    def of(role: str, name: str) -> float | None:
        return next((one["rms_error"] for one in forces[role] if one["name"] == name), None)

    dopant = subject.dopant.label
    parts = []
    for name in ("all", dopant):
        ours, theirs = of("subject", name), of("compared", name) if "compared" in forces else None
        if ours is not None:
            parts.append(f"{name} {ours:.2f}" + (f" (compared: {theirs:.2f})" if theirs is not None else ""))
    return f"RMS force error on {len(subject.unseen)} frames in eV/Å: {', '.join(parts) or 'every frame collapsed'}"


def _composition(target: Target) -> str:
    return target.composition


def _draw(subject: Subject, found: dict[str, list[FrameComparison]], folder: Path, title: str) -> str:
    """Energies above, forces below, a column per stoichiometry."""
    names = sorted({_composition(one) for one in subject.unseen})
    figure, panels = new_figure(len(names), 2, width=2.9, height=2.8)
    called = {"subject": subject.potential.name, "compared": subject.peer.name if subject.peer else ""}
    rows: list[tuple[Any, ...]] = []
    for column, name in enumerate(names):
        above, below, lone = panels[column], panels[len(names) + column], False
        for role, colour, marker in zip(reversed(found), COLOURS[1::-1], MARKERS[1::-1], strict=False):
            alive = [o for o in found[role] if o.energy is not None and _composition(o.target) == name]
            if not alive:
                continue
            dft, ours = _energies(alive)
            above.plot(dft, ours, marker, color=colour, markersize=4, label=drawn(called[role]))
            lone = bool(np.isnan(dft).all())
            forces = np.concatenate([one.forces.ravel() for one in alive if one.forces is not None])
            reference = np.concatenate([one.target.forces.ravel() for one in alive])
            below.plot(reference, forces, ".", color=colour, markersize=1.5, alpha=0.5)
            rows += [(called[role], o.target.name, x, y, _rms(o)) for o, x, y in zip(alive, dft, ours, strict=True)]
        for panel in (above, below):
            _diagonal(panel)
        heading = f"{name}\n(one frame: no difference of energies)" if lone else name
        label(above, "DFT energy (meV/atom)", "LAMMPS energy (meV/atom)", heading)
        label(below, "DFT force (eV/Å)", "LAMMPS force (eV/Å)")
    panels[0].legend(fontsize=7)
    header = ("potential", "frame", "dft_meV_per_atom", "lammps_meV_per_atom", "rms_force_error_eV_per_A")
    return save_figure(figure, folder, "correlation", title, header, rows)


def _diagonal(panel: Any) -> None:
    """Give both axes the same range, and draw where potential and DFT agree."""
    ends = (*panel.get_xlim(), *panel.get_ylim())
    panel.set_xlim(min(ends), max(ends))
    panel.set_ylim(min(ends), max(ends))
    panel.axline((0, 0), slope=1, color="0.5", linewidth=0.7)


def _energies(alive: Sequence[FrameComparison]) -> tuple[Any, Any]:
    """Energies by DFT and by LAMMPS [meV/atom], about the mean of set and composition; nan for a lone frame."""
    dft, ours = np.full(len(alive), np.nan), np.full(len(alive), np.nan)
    for group in {one.target.group for one in alive}:
        members = [i for i, one in enumerate(alive) if one.target.group == group]
        if len(members) < 2:
            continue
        ions = len(alive[members[0]].target.forces)
        for values, energies in (
            (dft, [alive[i].target.energy for i in members]),
            (ours, [alive[i].energy or 0.0 for i in members]),
        ):
            values[members] = 1e3 * (np.array(energies) - np.mean(energies)) / ions
    return dft, ours


def _rms(one: FrameComparison) -> float:
    return float(np.sqrt(np.mean((one.forces - one.target.forces) ** 2))) if one.forces is not None else float("nan")
