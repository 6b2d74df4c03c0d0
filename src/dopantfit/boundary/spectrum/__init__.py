"""Where a dopant goes at equilibrium: the spectrum of its exchange energies, and Fermi-Langmuir statistics over it."""
