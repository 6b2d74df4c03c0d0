"""CP2K inputs: the settings that work for these oxides and phosphates, and the folder that a run needs.

PBE, GTH pseudopotentials and MOLOPT bases in GAPW. Lengths in Å, cutoffs in Ry as CP2K takes them.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from ase import Atoms
from pydantic import Field

from dopantfit.errors import ConfigError, EngineError
from dopantfit.reference.spin import unpaired_electrons
from dopantfit.strict_toml import Positive, Table

INSTALL = "install it with `apt-get install cp2k` (Debian, Ubuntu) or put its folder on PATH"
BASIS_SET = "DZVP-MOLOPT-SR-GTH"
#: Valence electrons of the GTH-PBE pseudopotential that the MOLOPT basis goes with. Elements whose usual ions have an
#: open d or f shell are left out: with these settings none of them has been computed.
VALENCE = {
    **{"H": 1, "Li": 3, "Be": 4, "B": 3, "C": 4, "N": 5, "O": 6, "F": 7, "Na": 9, "Mg": 10, "Al": 3},
    **{"Si": 4, "P": 5, "S": 6, "Cl": 7, "K": 9, "Ca": 10, "Sc": 11, "Ti": 12, "Zn": 12, "Ga": 13},
    **{"Ge": 4, "As": 5, "Se": 6, "Br": 7, "Rb": 9, "Sr": 10, "Y": 11, "Zr": 12, "Nb": 13, "Mo": 14},
    **{"Ag": 11, "Cd": 12, "In": 13, "Sn": 4, "Sb": 5, "Te": 6, "I": 7, "Cs": 9, "Ba": 10, "Hf": 12},
    **{"Ta": 13, "W": 14},
}

#: Steps of orbital transformation with one preconditioner.
_OT_STEPS = 20

Mesh = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


class Cp2kSettings(Table):
    """How CP2K computes a frame; the defaults are those of the project's own sets."""

    #: How the density meets the real-space grid. GPW puts the semicore shells of Mg on it as they are: at
    #: 500 Ry the force on a Mg displaced by 0.05 Å in MgO is then wrong by 0.7 eV/Å (at 2000 Ry by 0.1), and
    #: forces do not sum to zero. GAPW keeps them on atomic grids and has converged to 0.002 eV/Å at 250 Ry.
    method: Literal["GAPW", "GPW"] = "GAPW"
    #: Plane-wave cutoff of the finest grid [Ry].
    cutoff: Positive = 300.0
    #: Cutoff that decides on which grid a Gaussian goes [Ry].
    rel_cutoff: Positive = 40.0
    #: Self-consistency: largest change of the density matrix.
    eps_scf: Positive = 1e-6
    #: Precision of every integral.
    eps_default: Positive = 1e-9
    max_scf: Annotated[int, Field(ge=1)] = 120
    #: Broyden mixing, where the density is found by diagonalisation.
    mixing_alpha: Annotated[float, Field(gt=0, le=1)] = 0.3
    n_broyden: Annotated[int, Field(ge=1)] = 10


def pseudopotential(element: str) -> str:
    """Return the name of the pseudopotential of ``element``, such as ``GTH-PBE-q10`` for Mg.

    Raises ConfigError for an element without one.
    """
    if element not in VALENCE:
        raise ConfigError(
            f"CP2K: no GTH-PBE pseudopotential with a {BASIS_SET} basis is known for {element}; "
            f"known are {' '.join(VALENCE)}; take another code (`new --code`, `reference run --write-only`)"
        )
    return f"GTH-PBE-q{VALENCE[element]}"


def single_point_input(
    atoms: Atoms,
    settings: Cp2kSettings,
    *,
    project: str,
    k_mesh: Mesh = (1, 1, 1),
    wavefunction: str | None = None,
) -> str:
    """Return the input for energy, forces and stress of ``atoms``.

    project: start of the names of the files that CP2K writes.
    k_mesh: Monkhorst–Pack mesh; (1, 1, 1) is Γ only.
    wavefunction: name of a wavefunction file of a like configuration to start from (Γ only).
    Raises ConfigError for an element without a pseudopotential, atoms without a three-dimensional cell, and open
    shells of which nobody can tell the spin.
    """
    guess = None if k_mesh != (1, 1, 1) else wavefunction
    return _render(
        ["&GLOBAL", f"PROJECT {project}", "RUN_TYPE ENERGY_FORCE", "PRINT_LEVEL LOW", "&END GLOBAL"],
        _force_eval(atoms, settings, k_mesh, guess),
    )


def relaxation_input(
    atoms: Atoms,
    settings: Cp2kSettings,
    *,
    project: str,
    steps: int,
    k_mesh: Mesh = (1, 1, 1),
) -> str:
    """Return the input for a relaxation in a fixed cell (L-BFGS) that prints every step.

    steps: most steps taken. Positions go to ``<project>-pos-1.xyz`` [Å], forces and stress to the output.
    Raises ConfigError as `single_point_input` does.
    """
    motion = ["&MOTION", "&GEO_OPT", "TYPE MINIMIZATION", "OPTIMIZER LBFGS", f"MAX_ITER {steps}"]
    motion += ["&END GEO_OPT", "&PRINT", "&TRAJECTORY", "FORMAT XYZ", "UNIT angstrom", "&END TRAJECTORY"]
    motion += ["&RESTART OFF", "&END RESTART", "&RESTART_HISTORY OFF", "&END RESTART_HISTORY"]
    motion += ["&END PRINT", "&END MOTION"]
    return _render(
        ["&GLOBAL", f"PROJECT {project}", "RUN_TYPE GEO_OPT", "PRINT_LEVEL LOW", "&END GLOBAL"],
        motion,
        _force_eval(atoms, settings, k_mesh, None),
    )


def find_executable() -> Path:
    """Return the CP2K program on PATH; EngineError with the install command if there is none."""
    for name in ("cp2k.psmp", "cp2k.popt", "cp2k.ssmp", "cp2k"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise EngineError(f"CP2K was not found (cp2k.psmp, cp2k.popt, cp2k.ssmp, cp2k on PATH); {INSTALL}")


def find_data_folder(executable: Path) -> Path:
    """Return the folder with CP2K's basis sets: ``CP2K_DATA_DIR`` if set, else where packages put it.

    Raises EngineError naming the folders that were looked at.
    """
    root = executable.resolve().parent.parent
    named = os.environ.get("CP2K_DATA_DIR")
    folders = [Path(named)] if named else [root / "share/cp2k", root / "share/cp2k/data", root / "data"]
    for folder in [*folders, Path("/usr/share/cp2k")] if not named else folders:
        if (folder / "BASIS_MOLOPT").is_file() and (folder / "GTH_POTENTIALS").is_file():
            return folder
    looked = ", ".join(str(folder) for folder in folders)
    raise EngineError(
        f"CP2K's basis sets (BASIS_MOLOPT, GTH_POTENTIALS) are not in {looked}; set CP2K_DATA_DIR to the "
        f"folder that holds them (Debian: the package cp2k-data, in /usr/share/cp2k)"
    )


def _render(*sections: Sequence[str]) -> str:
    lines = [line for section in sections for line in section]
    depth, out = 0, []
    for line in lines:
        depth -= line.startswith("&END")
        out.append("  " * depth + line)
        depth += line.startswith("&") and not line.startswith("&END")
    return "\n".join(out) + "\n"


def _force_eval(atoms: Atoms, settings: Cp2kSettings, k_mesh: Mesh, guess: str | None) -> list[str]:
    potentials = {element: pseudopotential(element) for element in sorted(set(atoms.symbols))}
    spins = unpaired_electrons(atoms)
    lines = ["&FORCE_EVAL", "METHOD QUICKSTEP", "STRESS_TENSOR ANALYTICAL"]
    lines += _dft(settings, k_mesh, guess, sum(spins.get(symbol, 0) for symbol in atoms.symbols))
    lines += _subsys(atoms, potentials, spins)
    lines += ["&PRINT", "&FORCES ON", "&END FORCES", "&STRESS_TENSOR ON", "&END STRESS_TENSOR", "&END PRINT"]
    return [*lines, "&END FORCE_EVAL"]


def _dft(settings: Cp2kSettings, k_mesh: Mesh, guess: str | None, unpaired: int) -> list[str]:
    lines = ["&DFT", "BASIS_SET_FILE_NAME BASIS_MOLOPT", "POTENTIAL_FILE_NAME GTH_POTENTIALS"]
    lines += ["UKS", f"MULTIPLICITY {unpaired + 1}"] * bool(unpaired)
    if guess is not None:
        lines.append(f"WFN_RESTART_FILE_NAME {guess}")
    lines += ["&QS", f"METHOD {settings.method}", f"EPS_DEFAULT {settings.eps_default!r}", "&END QS"]
    lines += ["&MGRID", f"CUTOFF {settings.cutoff!r}", f"REL_CUTOFF {settings.rel_cutoff!r}", "&END MGRID"]
    if k_mesh != (1, 1, 1):
        lines += ["&KPOINTS", "SCHEME MONKHORST-PACK {} {} {}".format(*k_mesh), "&END KPOINTS"]
    lines += [*_scf(settings, guess), "&XC"]
    return [*lines, "&XC_FUNCTIONAL PBE", "&END XC_FUNCTIONAL", "&END XC", "&END DFT"]


def _scf(settings: Cp2kSettings, guess: str | None) -> list[str]:
    """Return the section that finds the density.

    Near the solution orbital transformation takes half the steps of diagonalisation with mixing (8 against 17
    on 112 ions; forces equal to 2e-4 eV/Å); from atomic densities it takes more (32 against 20).
    """
    lines = ["&SCF", f"EPS_SCF {settings.eps_scf!r}", f"SCF_GUESS {'ATOMIC' if guess is None else 'RESTART'}"]
    if guess is not None:
        # The preconditioner belongs to the orbitals it was made at: it is made anew every `inner` steps.
        inner = min(_OT_STEPS, settings.max_scf)
        lines += [f"MAX_SCF {inner}", "&OT", "MINIMIZER DIIS", "PRECONDITIONER FULL_ALL", "&END OT"]
        lines += ["&OUTER_SCF", f"EPS_SCF {settings.eps_scf!r}"]
        lines += [f"MAX_SCF {max(0, settings.max_scf // inner - 1)}", "&END OUTER_SCF"]
    else:
        lines += [f"MAX_SCF {settings.max_scf}", "&DIAGONALIZATION", "&END DIAGONALIZATION", "&MIXING"]
        lines += ["METHOD BROYDEN_MIXING", f"ALPHA {settings.mixing_alpha!r}"]
        lines += [f"NBROYDEN {settings.n_broyden}", "&END MIXING"]
    return [*lines, "&PRINT", "&RESTART ON", "BACKUP_COPIES 0", "&END RESTART", "&END PRINT", "&END SCF"]


def _subsys(atoms: Atoms, potentials: Mapping[str, str], spins: Mapping[str, int]) -> list[str]:
    if not atoms.pbc.all() or abs(atoms.cell.volume) < 1e-9:
        raise ConfigError("CP2K: the configuration has no cell periodic in three dimensions; give it one")
    lines = ["&SUBSYS", "&CELL"]
    lines += [f"{name} {_row(vector)}" for name, vector in zip("ABC", atoms.cell.array, strict=True)]
    lines += ["&END CELL", "&COORD"]
    lines += [f"{s} {_row(r)}" for s, r in zip(atoms.symbols, atoms.positions, strict=True)]
    lines.append("&END COORD")
    for element, potential in potentials.items():
        lines += [f"&KIND {element}", f"BASIS_SET {BASIS_SET}", f"POTENTIAL {potential}"]
        lines += [f"MAGNETIZATION {spins[element]}"] if element in spins else []
        lines.append("&END KIND")
    return [*lines, "&END SUBSYS"]


def _row(vector: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> str:
    return " ".join(repr(float(x)) for x in vector)
