"""Exchange of dopants between boundary and grain, and what of it stays in the grain."""
