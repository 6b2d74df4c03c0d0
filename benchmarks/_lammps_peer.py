"""LAMMPS as fast as it goes at relaxed shells: the peer that speed claims are held against.

One instance stays alive, positions are scattered into it, and nothing is set up again between frames. Of what
LAMMPS offers, damped dynamics of the shells needs the fewest force evaluations (half of FIRE's, a tenth of
hftn's; cg and sd stall above 1e-5 eV/Å), and an Ewald sum beats PPPM at this size and accuracy.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.errors import ConvergenceError
from dopantfit.lammps.inprocess import InProcessLammps
from dopantfit.potential import Potential
from dopantfit.units import AMU_A2_PER_PS2

Array = NDArray[np.float64]

#: Forces on ions within 1e-5 eV/Å (2e-6 rms) of ``ewald 1e-8`` without tables, on 112 ions of LAMTP.
KSPACE, TABLE_BITS = "ewald 2e-7", 14
#: Damped dynamics: time step in units of sqrt(m/k) and friction in units of m/step; the fewest steps found.
STEP, FRICTION = 0.68, 0.9
MAX_STEPS = 500


class DampedShells(InProcessLammps):
    """Shells relaxed by damped dynamics until no force component on one exceeds the tolerance."""

    def __init__(self, atoms: Atoms, potential: Potential, force_tolerance: float = 1e-5) -> None:
        super().__init__(atoms, potential, KSPACE)
        self._tolerance = force_tolerance
        types = self._ions.types
        self.command(f"pair_modify table {TABLE_BITS}")
        self.command(f"group shells type {' '.join(map(str, types.shell.values()))}")
        self.command("compute worst shells reduce maxabs f_whole[1] f_whole[2] f_whole[3]")
        larger = "ternary(c_worst[1]>c_worst[2],c_worst[1],c_worst[2])"
        self.command(f'variable xy equal "{larger}"')
        self.command('variable worst equal "ternary(v_xy>c_worst[3],v_xy,c_worst[3])"')
        step = STEP * types.shell_time
        self.command(f"timestep {step!r}")
        self.command("fix move shells nve")
        for label, kind in types.shell.items():
            shell = potential.species[label].shell
            if shell is not None:
                self.command(f"group shells_{kind} type {kind}")
                friction = FRICTION * shell.mass * AMU_A2_PER_PS2 / step
                self.command(f"fix damp_{kind} shells_{kind} viscous {friction!r}")
        self.command(f"fix stop all halt 1 v_worst < {force_tolerance!r} error continue message no")
        self.command("thermo 1000000")
        self.command("run 0 post no")
        self.steps = 0

    def relax_shells(self, start: Array | None = None, force_tolerance: float | None = None) -> None:
        """Relax to the tolerance given at the start; energy and forces are current afterwards."""
        if start is not None:
            self.set_positions(self._positions, start)
        before = self._lmp.extract_global("ntimestep")
        self.command(f"run {MAX_STEPS} pre no post no")
        # One more step, the last of its run, so that LAMMPS tallies the energy; shells only get closer.
        self.command("run 1 pre no post no")
        self._current = True
        self.steps = self._lmp.extract_global("ntimestep") - before
        worst = float(np.abs(self._site_forces()[len(self._positions) :]).max())
        if not worst <= self._tolerance:
            raise ConvergenceError(f"LAMMPS left a force of {worst:.3g} eV/Å on a shell; lower STEP")


@dataclass(frozen=True)
class PeerTiming:
    """Seconds per frame (best and median), force evaluations, and the results of the last frame."""

    best: float
    median: float
    evaluations: int
    energy: float
    forces: Array


def lammps_cold(atoms: Atoms, potential: Potential, repeats: int = 20) -> PeerTiming:
    """Time shells relaxed from their cores to 1e-5 eV/Å, energy and forces, on one thread."""
    with DampedShells(atoms, potential) as lammps:
        return _timed(lammps, lambda _: (atoms.positions, None), repeats)


def lammps_warm(atoms: Atoms, potential: Potential, repeats: int = 20, displacement: float = 1e-3) -> PeerTiming:
    """Time the same from the shells of a frame `displacement` away [Å, Gaussian, every coordinate]."""
    generator = np.random.default_rng(0)
    with DampedShells(atoms, potential) as lammps:
        lammps.set_positions(atoms.positions)
        lammps.relax_shells()
        offsets = lammps.shell_positions() - atoms.positions

        def displaced(_: int) -> tuple[Array, Array]:
            moved = atoms.positions + generator.normal(0.0, displacement, atoms.positions.shape)
            return moved, moved + offsets

        return _timed(lammps, displaced, repeats)


def _timed(lammps: DampedShells, frame: Callable[[int], tuple[Array, Array | None]], repeats: int) -> PeerTiming:
    seconds = []
    for repeat in range(repeats):
        positions, shells = frame(repeat)
        started = time.perf_counter()
        lammps.set_positions(positions, shells)
        lammps.relax_shells()
        energy, forces = lammps.energy(), lammps.forces()
        seconds.append(time.perf_counter() - started)
    return PeerTiming(min(seconds), statistics.median(seconds), lammps.steps, energy, forces)
