"""The fit: configuration, objective, pre-optimisation, swarm, local refinement and its uncertainty."""
