"""Potentials: what they are, how they are written down, and where they turn over."""

from dopantfit.potential.checks import element_of
from dopantfit.potential.files import library_names
from dopantfit.potential.model import Buckingham, Potential, Shell, Species
from dopantfit.potential.parameters import Parameter

__all__ = ["Buckingham", "Parameter", "Potential", "Shell", "Species", "element_of", "library_names"]
