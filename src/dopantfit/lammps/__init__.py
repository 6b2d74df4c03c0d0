"""The only place where LAMMPS syntax stands."""

from dopantfit.lammps.data_file import IonMap, write_data
from dopantfit.lammps.include import potential_include
from dopantfit.lammps.launcher import Launcher
from dopantfit.lammps.snapshots import md_snapshots

__all__ = ["IonMap", "Launcher", "md_snapshots", "potential_include", "write_data"]
