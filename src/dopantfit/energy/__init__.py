"""The shell-model engine: energies, forces, stress and their derivatives with respect to parameters."""

from dopantfit.energy.calculator import ShellModel
from dopantfit.energy.derivatives import Derivatives, parameter_derivatives
from dopantfit.energy.evaluation import Evaluation, ShellStart, evaluate
from dopantfit.energy.frame import Frame, make_frame
from dopantfit.energy.problem import ShellProblem
from dopantfit.energy.real_space import species_table

__all__ = [
    "Derivatives",
    "Evaluation",
    "Frame",
    "ShellModel",
    "ShellProblem",
    "ShellStart",
    "evaluate",
    "make_frame",
    "parameter_derivatives",
    "species_table",
]
