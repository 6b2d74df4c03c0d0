"""Exchange of the dopant by relaxed-swap Monte Carlo."""
