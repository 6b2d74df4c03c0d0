"""Potentials: what they are, how they are written down, and where they turn over."""
