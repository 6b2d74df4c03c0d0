"""The only place where LAMMPS syntax stands."""

from dopantfit.lammps.data_file import IonMap, write_data
from dopantfit.lammps.dynamics import DynamicsResult, run_dynamics
from dopantfit.lammps.include import potential_include
from dopantfit.lammps.launcher import Launcher
from dopantfit.lammps.progress import DynamicsProgress
from dopantfit.lammps.relaxation import RelaxedStructure, relax_structure
from dopantfit.lammps.settings import Dynamics
from dopantfit.lammps.snapshots import md_snapshots

__all__ = [
    "Dynamics",
    "DynamicsProgress",
    "DynamicsResult",
    "IonMap",
    "Launcher",
    "RelaxedStructure",
    "md_snapshots",
    "potential_include",
    "relax_structure",
    "run_dynamics",
    "write_data",
]
