"""Gate c: the simple compound of the dopant, at rest and at 300 K, against its reference crystal (Fig. S1)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from scipy.signal import argrelmin

from dopantfit.errors import CollapseError, ConfigError, ConvergenceError
from dopantfit.fit.errors_by_group import FIRST_SHELL
from dopantfit.lammps import Dynamics
from dopantfit.structures import labels_of, prototype, prototype_names, supercell
from dopantfit.structures.convert import read_crystal
from dopantfit.transport import PairDistribution, Trajectory, pair_distribution
from dopantfit.validate import thresholds
from dopantfit.validate.dynamics import Share, mean_with_error, run, seed_of, trajectory_of
from dopantfit.validate.figures import COLOURS, label, new_figure, save_figure
from dopantfit.validate.gate import Check, Gate, GateWork
from dopantfit.validate.settings import SETTINGS_FILE, Compound, Settings
from dopantfit.validate.structures import at_rest, bond_lengths, repeats_for
from dopantfit.validate.subject import Subject

#: g(r) is drawn so far, and the crystal's at rest with lines this wide, about what vibrations do at 300 K [Å].
_REACH, _BROADENING = 5.5, 0.07
_TEMPERATURE = 300.0


@dataclass(frozen=True)
class FirstShell:
    """Neighbours of an ion in the reference crystal: how many, how far [Å], and where the first shell ends [Å]."""

    centre: str
    count: float
    length: float
    reach: float


def reference_crystal(subject: Subject) -> tuple[Atoms, str]:
    """The compound's conventional cell, and where it comes from; see `compound_of`."""
    return compound_of(subject.settings, subject.dopant.label, subject.file.parent)


def compound_of(settings: Settings, dopant: str, folder: Path) -> tuple[Atoms, str]:
    """The simple compound of a dopant in its conventional cell, and where it comes from.

    Without ``[compound]`` in validate.toml: the structure of the library that holds only the dopant and the ions of
    the polyanion. Raises ConfigError when there is none, or when a file cannot be read.
    """
    given, unit = settings.compound, settings.host.polyanion
    if given is None:
        wanted = {dopant, unit.centre, unit.ligand}
        found = [name for name in prototype_names() if set(labels_of(prototype(name))) == wanted]
        if not found:
            raise ConfigError(
                f"{folder / SETTINGS_FILE}: no structure of the library holds just "
                f"{', '.join(sorted(wanted))}; name one in [compound], with a prototype or a structure file"
            )
        given = Compound(prototype=found[0], source=f"structure library, {found[0]}")
    atoms = prototype(given.prototype) if given.prototype else read_crystal(folder / str(given.structure))
    missing = {dopant, unit.centre, unit.ligand} - set(labels_of(atoms))
    if missing:
        raise ConfigError(
            f"{folder / SETTINGS_FILE}: compound: {atoms.get_chemical_formula()} holds no "
            f"{', '.join(sorted(missing))}; name a compound of the dopant and the ions of the polyanion"
        )
    if given.cell:
        atoms.set_cell(given.cell, scale_atoms=True)
    return atoms, given.source


def compound(subject: Subject, work: GateWork) -> Gate:
    """Relax the compound, run it at 300 K, and compare cell, bonds, first shells and g(r) with the crystal."""
    reference, source = reference_crystal(subject)
    centre, anion = subject.host.polyanion.centre, subject.host.polyanion.ligand
    shells = [first_shell(reference, one, anion) for one in (subject.dopant.label, centre)]
    work.report("relaxation", 0.0)
    rest = at_rest(reference, subject.potential)
    compared = _compared(subject, reference)
    trajectory = _run(subject, work, rest)
    pairs = [(shell.centre, anion) for shell in shells] + [(shells[0].centre, shells[1].centre)]
    found = {pair: pair_distribution(trajectory, pair, _REACH) for pair in pairs}
    checks = [*cell_checks(rest, reference), *_bond_checks(rest, reference, shells, anion)]
    checks += [check for shell in shells for check in shell_checks(found[shell.centre, anion], shell)]
    checks.append(neighbour_check(found[pairs[-1]], reference))
    change = 100.0 * (rest.cell.volume / reference.cell.volume - 1.0)
    finding = f"{reference.get_chemical_formula()} at rest: volume {change:+.1f} % against the reference"
    if compared:
        finding += f" (compared: {100.0 * (compared.cell.volume / reference.cell.volume - 1.0):+.1f} %)"
    return Gate(
        name="compound",
        finding=finding,
        checks=tuple(checks),
        figures=(_draw(found, reference, work, finding),),
        details=_details(reference, source, rest, compared),
    )


def _compared(subject: Subject, reference: Atoms) -> Atoms | None:
    """The compound at rest under the potential compared with; None without one, or where it breaks down."""
    try:
        return at_rest(reference, subject.peer) if subject.peer else None
    except (CollapseError, ConvergenceError):
        return None


def _run(subject: Subject, work: GateWork, rest: Atoms) -> Trajectory:
    large = supercell(rest, repeats_for(rest, subject.preset.compound_edge))
    settings = Dynamics(
        _TEMPERATURE, subject.preset.compound_ps, seed_of(subject.rng("compound")), ensemble="npt", cell="tri"
    )
    share = Share(f"compound-{_TEMPERATURE:.0f}K", 0.1, 0.9)
    return trajectory_of(run(large, subject.potential, settings, work, share))


def first_shell(crystal: Atoms, centre: str, anion: str) -> FirstShell:
    """The anions around an ion that are closer than 1.35 times the nearest of them."""
    near = bond_lengths(crystal, centre, anion, 3.5)
    reach = FIRST_SHELL * float(near.min(initial=np.inf))
    bonds = near[near < reach]
    if not bonds.size:
        raise ConfigError(f"{crystal.get_chemical_formula()}: no {anion} within 3.5 Å of {centre}; mend [compound]")
    return FirstShell(centre, len(bonds) / labels_of(crystal).count(centre), float(bonds.mean()), reach)


def cell_checks(rest: Atoms, reference: Atoms) -> list[Check]:
    """Volume, axes and angles of the relaxed cell against the reference's."""
    found, wanted = rest.cell.cellpar(), reference.cell.cellpar()
    checks = [
        thresholds.COMPOUND_VOLUME.check("volume at rest", 100.0 * (rest.cell.volume / reference.cell.volume - 1.0))
    ]
    for name, ours, theirs in zip("abc", found[:3], wanted[:3], strict=True):
        checks.append(thresholds.COMPOUND_LENGTH.check(f"{name} at rest", 100.0 * (ours / theirs - 1.0)))
    worst = max((found[3:] - wanted[3:]).tolist(), key=abs)
    return [*checks, thresholds.COMPOUND_ANGLE.check("angle farthest off, at rest", worst)]


def _bond_checks(rest: Atoms, reference: Atoms, shells: list[FirstShell], anion: str) -> list[Check]:
    """Mean bond lengths, over as many shortest distances as the reference has bonds."""
    checks = []
    for shell in shells:
        bonds = round(shell.count * labels_of(reference).count(shell.centre))
        found = float(np.sort(bond_lengths(rest, shell.centre, anion, 2.0 * shell.reach))[:bonds].mean())
        checks.append(thresholds.COMPOUND_BOND.check(f"{shell.centre}-{anion} bond at rest", found - shell.length))
    return checks


def shell_checks(found: PairDistribution, shell: FirstShell) -> list[Check]:
    """Mean distance of the first neighbours in the run, and how many there are, against the crystal at rest."""
    inside = np.clip((shell.reach - found.radii) / found.width + 0.5, 0.0, 1.0)
    counts = found.neighbours @ inside
    name = "-".join(found.pair)
    return [
        thresholds.COMPOUND_PEAK.check(f"{name} first shell at 300 K", *_farther(found, shell)),
        thresholds.COORDINATION.check(f"{name} coordination at 300 K", *_against(counts, shell.count)),
    ]


def neighbour_check(found: PairDistribution, reference: Atoms) -> Check:
    """Mean distance of the cations in the first peak of the run, against those in the first peak of the crystal."""
    peak = first_peak(reference, found)
    return thresholds.COMPOUND_NEIGHBOUR.check(f"{'-'.join(found.pair)} first peak at 300 K", *_farther(found, peak))


def first_peak(crystal: Atoms, like: PairDistribution) -> FirstShell:
    """The neighbours in the first peak of the crystal's g(r): up to the first minimum of the broadened one.

    like: g(r) of the same pair, whose radii are taken. Raises ConfigError when it has no peak there.
    """
    centre, other = like.pair
    distances = bond_lengths(crystal, centre, other, _REACH)
    if not distances.size:
        raise ConfigError(
            f"{crystal.get_chemical_formula()}: no {other} within {_REACH} Å of {centre}; mend [compound]"
        )
    minima = like.radii[argrelmin(_at_rest_distribution(crystal, like.pair, like))[0]]
    reach = float(min(minima[minima > distances.min()], default=_REACH))
    near = distances[distances < reach]
    return FirstShell(centre, len(near) / labels_of(crystal).count(centre), float(near.mean()), reach)


def _farther(found: PairDistribution, shell: FirstShell) -> tuple[float, float]:
    """How much farther off [Å] as many neighbours as the crystal has are in the run, with its standard error."""
    lengths = np.array([_mean_radius(block, found.radii, shell.count) for block in found.neighbours])
    return _against(lengths, shell.length)


def _against(blocks: np.typing.NDArray[np.float64], reference: float) -> tuple[float, float]:
    mean, error = mean_with_error(blocks)
    return mean - reference, error


def _mean_radius(neighbours: Any, radii: Any, count: float) -> float:
    """Mean distance of the first `count` neighbours of a histogram; of the last bin only the part needed counts."""
    before = np.cumsum(neighbours) - neighbours
    taken = np.clip(count - before, 0.0, neighbours)
    return float((taken * radii).sum() / max(taken.sum(), 1e-12))


def _details(reference: Atoms, source: str, rest: Atoms, compared: Atoms | None) -> dict[str, Any]:
    cells = {"reference": reference, "subject": rest} | ({"compared": compared} if compared else {})
    return {
        "formula": reference.get_chemical_formula(),
        "reference": source,
        "cells_A_deg": {name: atoms.cell.cellpar().tolist() for name, atoms in cells.items()},
        "volumes_A3": {name: float(atoms.cell.volume) for name, atoms in cells.items()},
    }


def _draw(found: dict[tuple[str, str], PairDistribution], reference: Atoms, work: GateWork, title: str) -> str:
    figure, panels = new_figure(len(found), width=3.6)
    rows: list[tuple[Any, ...]] = []
    for panel, (pair, ours) in zip(panels, found.items(), strict=True):
        crystal = _at_rest_distribution(reference, pair, ours)
        panel.plot(ours.radii, crystal, color=COLOURS[1], linestyle="--", label="reference crystal, broadened")
        panel.plot(ours.radii, ours.values, color=COLOURS[0], label="run at 300 K")
        label(panel, "r (Å)", "g(r)", "-".join(pair))
        rows += [("-".join(pair), *row) for row in zip(ours.radii, ours.values, ours.error, crystal, strict=True)]
    panels[-1].legend(fontsize=7, loc="upper left")
    return save_figure(figure, work.figures, "compound", title, ("pair", "r_A", "g", "error", "g_reference"), rows)


def _at_rest_distribution(crystal: Atoms, pair: tuple[str, str], like: PairDistribution) -> Any:
    """g(r) of the crystal at rest on the radii of `like`, its lines broadened."""
    still = Trajectory.from_arrays(np.array([crystal.positions] * 2), labels_of(crystal), crystal.cell.array, 1.0)
    lines = pair_distribution(still, pair, _REACH, like.width).values * like.radii**2
    kernel = np.exp(-0.5 * ((like.radii[:, None] - like.radii) / _BROADENING) ** 2)
    return (kernel / kernel.sum(axis=0)) @ lines / like.radii**2
