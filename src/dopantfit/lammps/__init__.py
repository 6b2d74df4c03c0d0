"""The only place where LAMMPS syntax stands."""
