"""The shell-model engine: energies, forces, stress and their derivatives with respect to parameters."""
