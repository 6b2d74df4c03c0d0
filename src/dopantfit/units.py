"""Every constant and conversion. Å, eV, e, ps, K, bar and u throughout (LAMMPS ``metal``); CODATA 2018."""

#: e²/(4πε0) [eV Å].
COULOMB = 14.399645478425668
#: The same constant as LAMMPS has it in ``units metal`` (its ``force->qqr2e``) [eV Å].
COULOMB_LAMMPS = 14.399645
#: Boltzmann constant [eV/K].
BOLTZMANN = 8.617333262e-5
#: Elementary charge [C].
ELEMENTARY_CHARGE = 1.602176634e-19
#: 1 eV/Å³ in GPa.
EV_PER_A3_IN_GPA = 160.2176634
#: 1 eV/Å³ in bar.
EV_PER_A3_IN_BAR = 1602176.634
#: eV/Å³ per bar as LAMMPS has it in ``units metal`` (its ``force->nktv2p``).
EV_PER_A3_IN_BAR_LAMMPS = 1.6021765e6
#: Hartree [eV].
HARTREE = 27.211386245988
#: Bohr radius [Å].
BOHR = 0.529177210903
#: 1 u Å²/ps² in eV, as LAMMPS has it in ``units metal`` (its ``force->mvv2e``).
AMU_A2_PER_PS2 = 1.0364269e-4
#: Permittivity of the vacuum [F/cm].
VACUUM_PERMITTIVITY_F_PER_CM = 8.8541878128e-14
