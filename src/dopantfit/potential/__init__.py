"""Potentials: what they are, how they are written down, and where they turn over."""

from dopantfit.potential.checks import element_of
from dopantfit.potential.files import library_names
from dopantfit.potential.model import Potential
from dopantfit.potential.parameters import Parameter
from dopantfit.potential.terms import Buckingham, Shell, Species

__all__ = ["Buckingham", "Parameter", "Potential", "Shell", "Species", "element_of", "library_names"]
