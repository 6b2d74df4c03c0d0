"""Complete input folders for CASTEP, VASP, Quantum ESPRESSO and CP2K, to run elsewhere and import back.

Each configuration gets a folder with the code's own files, ``configuration.extxyz`` (what the frame will be
called, and its family), and a README that says what the user must add: pseudopotentials, which have licences
of their own, are named and never written. A relaxation is written as one job of the code that runs it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.reference.cp2k import relaxation_input, single_point_input
from dopantfit.reference.cp2k_process import INPUT_FILE, PROJECT
from dopantfit.reference.frames import dump_frames
from dopantfit.reference.generate import Configuration, configurations
from dopantfit.reference.manifest import MANIFEST_FILE, load_manifest
from dopantfit.reference.plan import CationExchange, Item, Plan, Relaxation
from dopantfit.reference.pseudopotentials import CODES, ON_THE_FLY, pseudopotentials
from dopantfit.reference.spin import unpaired_electrons
from dopantfit.reference.written_job import COLLECTED, CONFIGURATION_FILE, ENDS, LAST, NONE, STEPS
from dopantfit.units import BOHR, HARTREE
from dopantfit.workflow.folders import make_folder
from dopantfit.workflow.provenance import write_text_atomic

#: Rydberg [eV].
_RYDBERG = HARTREE / 2
#: A force at which a relaxation of another code may stop [eV/Å], if its steps do not end first.
_FORCE_TOLERANCE = 0.05


@dataclass(frozen=True)
class Job:
    """One folder of input: a configuration, and how many relaxation steps to take from it (0: none).

    collected: which ionic steps an import takes of it, where that is not usual. pseudopotentials: of every element, as
    the manifest of the set names them.
    """

    configuration: Configuration
    steps: int
    plan: Plan
    collected: str | None
    pseudopotentials: Mapping[str, str]

    @property
    def atoms(self) -> Atoms:
        """The ions."""
        return self.configuration.atoms

    @cached_property
    def spins(self) -> dict[str, int]:
        """Unpaired electrons of each ion by element, closed shells left out; ConfigError where nobody can tell."""
        return unpaired_electrons(self.atoms)

    @property
    def total_spin(self) -> int:
        """Unpaired electrons of the cell, all of one spin."""
        return sum(self.spins.get(symbol, 0) for symbol in self.atoms.symbols)

    @property
    def written(self) -> Atoms:
        """The ions with what an import must know of them."""
        atoms = self.atoms.copy()
        if self.steps:
            atoms.info[STEPS] = self.steps
        if self.collected is not None:
            atoms.info[COLLECTED] = self.collected
        return atoms

    @property
    def elements(self) -> tuple[str, ...]:
        """The elements in the order of the ions, each once."""
        return tuple(self.pseudopotentials)


def write_inputs(
    plan: Plan,
    folder: Path,
    code: str,
    destination: Path,
    results: Mapping[str, Atoms],
    work: Path,
    only: tuple[str, ...] = (),
) -> tuple[Path, ...]:
    """Write an input folder for every configuration that is not computed yet; return the folders.

    folder: of the set. code: castep, vasp, espresso or cp2k. destination: the folders are
    ``<destination>/<frame_id>``. results, work, only: as `configurations` takes them.
    Raises ConfigError for another code, and for a configuration that its writer refuses; nothing is written then.
    """
    if code not in WRITERS:
        raise ConfigError(f"--write-only {code}: expected one of {', '.join(WRITERS)}")
    texts: dict[Path, dict[str, str]] = {}
    named = _named(folder, code)
    for item in plan.items(only):
        made = [
            c
            for c in configurations(plan, folder, results, work, (item.name,)).configurations
            if c.frame_id not in results
        ]
        for configuration in made:
            steps = item.steps if isinstance(item, Relaxation | CationExchange) else 0
            chosen = pseudopotentials(code, dict.fromkeys(configuration.atoms.symbols), named)
            job = Job(configuration, steps, plan, _collected(item, configuration), chosen)
            written = {**WRITERS[code](job), CONFIGURATION_FILE: dump_frames([job.written])}
            texts[destination / configuration.frame_id] = written
    for target, files in texts.items():
        make_folder(target)
        for name, text in files.items():
            write_text_atomic(target / name, text)
    return tuple(texts)


def _named(folder: Path, code: str) -> Mapping[str, str]:
    """The pseudopotentials that the manifest of the set names, where it is of this code."""
    if not (folder / MANIFEST_FILE).is_file():
        return {}
    manifest = load_manifest(folder)
    return manifest.pseudopotentials if CODES[code].lower() in manifest.code.lower() else {}


def _collected(item: Item, configuration: Configuration) -> str | None:
    """Which ionic steps join the set; None where it is all of a relaxation, or the only one."""
    if isinstance(item, CationExchange):
        return ENDS if configuration.collect else LAST
    return None if configuration.collect else NONE


def castep_files(job: Job) -> dict[str, str]:
    """Return ``frame.cell`` and ``frame.param``: PBE; CASTEP makes the pseudopotentials that are not named."""
    atoms, plane_waves = job.atoms, job.plan.plane_waves
    cell = ["%BLOCK LATTICE_CART", "ANG", *(_row(v) for v in atoms.cell.array), "%ENDBLOCK LATTICE_CART", ""]
    cell += ["%BLOCK POSITIONS_ABS", "ANG"]
    spins = [f" SPIN={job.spins[s]}" if s in job.spins else "" for s in atoms.symbols]
    cell += [f"{s} {_row(r)}{spin}" for s, r, spin in zip(atoms.symbols, atoms.positions, spins, strict=True)]
    cell += ["%ENDBLOCK POSITIONS_ABS", "", "KPOINTS_MP_GRID {} {} {}".format(*job.configuration.k_mesh)]
    # Monkhorst and Pack's even meshes miss Γ by half a step; VASP's and Quantum ESPRESSO's inputs here hold it.
    shifts = [0.5 / n if n % 2 == 0 else 0.0 for n in job.configuration.k_mesh]
    cell += ["KPOINTS_MP_OFFSET {!r} {!r} {!r}".format(*shifts)] * any(shifts)
    cell += ["FIX_ALL_CELL : TRUE", "FIX_COM : FALSE"]
    own = {element: name for element, name in job.pseudopotentials.items() if name != ON_THE_FLY}
    others = [f"{element} {name}" for element, name in _as_one_word(own).items()]
    cell += ["", "%BLOCK SPECIES_POT", *others, "%ENDBLOCK SPECIES_POT"] if others else []
    param = [f"TASK : {'GeometryOptimization' if job.steps else 'SinglePoint'}", "XC_FUNCTIONAL : PBE"]
    param += [f"CUT_OFF_ENERGY : {plane_waves.cutoff!r} eV"]
    # CASTEP's tolerance is per atom.
    param += [f"ELEC_ENERGY_TOL : {plane_waves.scf_tolerance / len(atoms)!r} eV"]
    param += ["FIX_OCCUPANCY : TRUE", "CALCULATE_STRESS : TRUE", "WRITE_CHECKPOINT : NONE"]
    param += ["SPIN_POLARIZED : TRUE", f"SPIN : {job.total_spin}"] * bool(job.spins)
    if job.steps:
        param += ["GEOM_METHOD : LBFGS", f"GEOM_MAX_ITER : {job.steps}"]
        param += [f"GEOM_FORCE_TOL : {_FORCE_TOLERANCE!r} eV/ang"]
    return {
        f"{PROJECT}.cell": _lines(cell),
        f"{PROJECT}.param": _lines(param),
        "README": _readme(
            job, "castep frame", f"{PROJECT}.castep", ", ".join(others) or "none: CASTEP generates its own"
        ),
    }


def vasp_files(job: Job) -> dict[str, str]:
    """Return ``INCAR``, ``KPOINTS`` and ``POSCAR``, the ions grouped by element; POTCAR is the user's."""
    plane_waves = job.plan.plane_waves
    order = np.argsort([job.elements.index(symbol) for symbol in job.atoms.symbols], kind="stable")
    atoms = job.atoms[order]
    counts = [str(list(atoms.symbols).count(element)) for element in job.elements]
    poscar = [job.configuration.frame_id, "1.0", *(_row(v) for v in atoms.cell.array)]
    poscar += [" ".join(job.elements), " ".join(counts), "Cartesian", *(_row(r) for r in atoms.positions)]
    incar = ["PREC = Accurate", f"ENCUT = {plane_waves.cutoff!r}", f"EDIFF = {plane_waves.scf_tolerance!r}"]
    incar += ["GGA = PE", "ISMEAR = 0", "SIGMA = 0.05", "LREAL = .FALSE.", "LASPH = .TRUE.", "ISIF = 2"]
    incar += ["LWAVE = .FALSE.", "LCHARG = .FALSE."]
    if job.spins:
        moments = " ".join(
            f"{count}*{job.spins.get(element, 0)}" for element, count in zip(job.elements, counts, strict=True)
        )
        incar += ["ISPIN = 2", f"MAGMOM = {moments}"]
    incar += ["IBRION = 1", f"NSW = {job.steps}", f"EDIFFG = {-_FORCE_TOLERANCE!r}"] if job.steps else ["NSW = 0"]
    mesh = "{} {} {}".format(*job.configuration.k_mesh)
    return {
        "POSCAR": _lines(poscar),
        "INCAR": _lines(incar),
        "KPOINTS": _lines([f"{mesh} around Gamma", "0", "Gamma", mesh, "0 0 0"]),
        "README": _readme(
            job,
            "vasp_std",
            "vasprun.xml",
            f"POTCAR: {', '.join(job.pseudopotentials.values())} in this order; the titles belong into the manifest",
        ),
    }


def espresso_files(job: Job) -> dict[str, str]:
    """Return ``pw.in``; the files of the pseudopotentials are the user's."""
    atoms, plane_waves = job.atoms, job.plan.plane_waves
    cutoff = plane_waves.cutoff / _RYDBERG
    text = ["&CONTROL", f"calculation = '{'relax' if job.steps else 'scf'}'", f"prefix = '{PROJECT}'"]
    text += ["pseudo_dir = './'", "outdir = './tmp'", "tprnfor = .true.", "tstress = .true."]
    text += [
        f"nstep = {job.steps}",
        f"forc_conv_thr = {_FORCE_TOLERANCE / _RYDBERG * BOHR!r}",
    ] * bool(job.steps)
    text += ["/", "&SYSTEM", "ibrav = 0", f"nat = {len(atoms)}", f"ntyp = {len(job.elements)}"]
    # Eight times: what ultrasoft pseudopotentials need; norm-conserving ones would do with four.
    text += [f"ecutwfc = {cutoff!r}", f"ecutrho = {8 * cutoff!r}", "occupations = 'fixed'"]
    text += ["nspin = 2", f"tot_magnetization = {float(job.total_spin)!r}"] * bool(job.spins)
    text += ["/"]
    text += ["&ELECTRONS", f"conv_thr = {plane_waves.scf_tolerance / _RYDBERG!r}", "/"]
    text += ["&IONS", "ion_dynamics = 'bfgs'", "/"] if job.steps else []
    files = _as_one_word(job.pseudopotentials)
    text += ["ATOMIC_SPECIES", *(f"{e} {_mass(atoms, e)!r} {file}" for e, file in files.items())]
    mesh = job.configuration.k_mesh
    text += ["K_POINTS gamma"] if mesh == (1, 1, 1) else ["K_POINTS automatic", "{} {} {} 0 0 0".format(*mesh)]
    text += ["CELL_PARAMETERS angstrom", *(_row(v) for v in atoms.cell.array), "ATOMIC_POSITIONS angstrom"]
    text += [f"{s} {_row(r)}" for s, r in zip(atoms.symbols, atoms.positions, strict=True)]
    needed = ", ".join(files.values())
    return {
        "pw.in": _lines(text),
        "README": _readme(job, "pw.x -in pw.in > pw.out", "pw.out", f"{needed} (PBE), in this folder"),
    }


def cp2k_files(job: Job) -> dict[str, str]:
    """Return ``cp2k.inp``, the same that `dopantfit reference run` uses."""
    mesh = job.configuration.k_mesh
    text = (
        relaxation_input(job.atoms, job.plan.cp2k, project=PROJECT, steps=job.steps, k_mesh=mesh)
        if job.steps
        else single_point_input(job.atoms, job.plan.cp2k, project=PROJECT, k_mesh=mesh)
    )
    return {
        INPUT_FILE: text,
        "README": _readme(
            job, f"cp2k.psmp -i {INPUT_FILE} -o cp2k.out", "cp2k.out", "none: CP2K ships them (CP2K_DATA_DIR)"
        ),
    }


#: Code → what writes its files, by name.
WRITERS: Mapping[str, Callable[[Job], dict[str, str]]] = {
    "castep": castep_files,
    "vasp": vasp_files,
    "espresso": espresso_files,
    "cp2k": cp2k_files,
}


def _readme(job: Job, command: str, output: str, pseudopotentials: str) -> str:
    info = job.atoms.info
    what = f"relaxation in a fixed cell, {job.steps} steps" if job.steps else "energy, forces and stress"
    steps = job.collected or ("all" if job.steps else "last")
    takes = f"takes {output} with the name, family and strain in {CONFIGURATION_FILE}, {steps} of its ionic steps"
    if job.collected == NONE:
        takes = "leaves it aside: it is a check that does not join the set"
    return _lines(
        [
            f"{job.configuration.frame_id}: {what} of {info['composition']}, PBE",
            f"Configuration: {info['origin']}",
            *([_spin_words(job)] if job.spins else []),
            f"Pseudopotentials to add: {pseudopotentials}",
            f"Run: {command}",
            f"Import: dopantfit reference import <this folder, or that of all> --set reference_dft/{job.plan.set}",
            takes,
        ]
    )


def _as_one_word(pseudopotentials: Mapping[str, str]) -> Mapping[str, str]:
    """Return the names as they are; ConfigError for one that would be several words of an input."""
    for element, name in pseudopotentials.items():
        if len(name.split()) != 1:
            raise ConfigError(
                f"the pseudopotential of {element} is {name!r}, which no input takes; name its file under "
                f"[pseudopotentials] in the {MANIFEST_FILE} of the set"
            )
    return pseudopotentials


def _spin_words(job: Job) -> str:
    ions = ", ".join(f"{element} {count}" for element, count in job.spins.items())
    return (
        f"Spin: unpaired electrons {ions}, high spin, all parallel, {job.total_spin} in the cell; change it if not so"
    )


def _mass(atoms: Atoms, element: str) -> float:
    return float(atoms.get_masses()[list(atoms.symbols).index(element)])


def _row(vector: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> str:
    return " ".join(f"{float(x):.17g}" for x in vector)


def _lines(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
