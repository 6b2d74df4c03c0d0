"""Derivatives of energy, forces and virial with respect to parameters while the shells stand still.

The energy is linear in A, C and spring constants and quadratic in the charges, so all of these are exact differences
of passes with other numbers in the table; only ρ and the Buckingham sums have loops of their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dopantfit.energy.arrays import Floats
from dopantfit.energy.own_shell import add_bonds
from dopantfit.energy.problem import ShellProblem
from dopantfit.energy.real_space import buckingham_derivatives, derivative_coefficients
from dopantfit.errors import ConfigError
from dopantfit.potential import Parameter


@dataclass(frozen=True)
class ExplicitDerivatives:
    """Partial derivatives at fixed shells for p parameters, per unit of each.

    energies (p,) [eV], shell_forces (p, n_shells, 3), core_forces (p, n_ions, 3) [eV/Å], virials (p, 6) [eV].
    """

    energies: Floats
    shell_forces: Floats
    core_forces: Floats
    virials: Floats


def explicit_derivatives(
    problem: ShellProblem, displacement: Floats, parameters: Sequence[Parameter]
) -> ExplicitDerivatives:
    """Partial derivatives with respect to ``parameters``; raises ConfigError for one that the frame cannot feel."""
    p = len(parameters)
    result = ExplicitDerivatives(
        energies=np.zeros(p),
        shell_forces=np.zeros((p, *displacement.shape)),
        core_forces=np.zeros((p, *problem.frame.positions.shape)),
        virials=np.zeros((p, 6)),
    )
    species = [[_species_number(problem, label, parameter) for label in parameter.of] for parameter in parameters]
    pair_terms = [number for number, parameter in enumerate(parameters) if len(parameter.of) == 2]
    _buckingham(problem, displacement, parameters, species, pair_terms, result)
    for number, parameter in enumerate(parameters):
        if parameter.quantity == "spring":
            _spring(problem, displacement, species[number][0], result, number)
        elif number not in pair_terms:
            _charge(problem, displacement, parameter.quantity, species[number][0], result, number)
    return result


def _species_number(problem: ShellProblem, label: str, parameter: Parameter) -> int:
    if label not in problem.frame.labels:
        raise ConfigError(
            f"{problem.frame.name}: parameter '{parameter}' has no effect, there is no {label} among "
            f"{', '.join(problem.frame.labels)}; leave it out or use a frame that holds {label}"
        )
    number = problem.frame.labels.index(label)
    if parameter.quantity in ("spring", "shell_charge") and not problem.table.has_shell[number]:
        raise ConfigError(
            f"{problem.frame.name}: parameter '{parameter}' does not exist, {label} has no shell; leave it out"
        )
    return number


def _buckingham(
    problem: ShellProblem,
    displacement: Floats,
    parameters: Sequence[Parameter],
    species: list[list[int]],
    numbers: list[int],
    result: ExplicitDerivatives,
) -> None:
    """Fills in the parameters with these numbers, all of pairs."""
    if not numbers:
        return
    frame, table, placement = problem.frame, problem.table, problem.placement(displacement)
    pairs = np.array([species[number] for number in numbers])
    coefficients = np.array(
        [
            derivative_coefficients(parameters[number].quantity, table.A[s, t], table.inverse_rho[s, t])
            for number, (s, t) in zip(numbers, pairs, strict=True)
        ]
    )
    forces, virials = np.zeros((len(numbers), *frame.positions.shape)), np.zeros((len(numbers), 6))
    result.energies[numbers] = buckingham_derivatives(
        pairs, coefficients, frame.species, placement.sites, placement.ghost_sites, frame.lists, table, forces, virials
    )
    result.shell_forces[numbers] = forces[:, frame.shell_ions]
    forces[:, frame.shell_ions] = 0.0
    result.core_forces[numbers] = forces
    result.virials[numbers] = virials


def _spring(problem: ShellProblem, displacement: Floats, s: int, result: ExplicitDerivatives, number: int) -> None:
    springs = np.zeros_like(problem.table.spring)
    springs[s] = 1.0
    without_charges = np.zeros_like(springs)
    table = problem.table._replace(spring=springs, core_charge=without_charges, shell_charge=without_charges)
    result.energies[number] = add_bonds(
        displacement, problem.shell_species, table, problem.frame.plan.alpha,
        result.shell_forces[number], result.virials[number],
    )  # fmt: skip
    result.core_forces[number][problem.frame.shell_ions] = -result.shell_forces[number]


def _charge(
    problem: ShellProblem,
    displacement: Floats,
    quantity: str,
    s: int,
    result: ExplicitDerivatives,
    number: int,
) -> None:
    """Half the difference of the Coulomb passes with this charge raised and lowered by 1 e: exact for a quadratic."""
    table = problem.table
    field = "core_charge" if quantity == "charge" else "shell_charge"
    nothing = np.zeros_like(table.A)
    coulomb_only = table._replace(A=nothing, C=nothing, spring=np.zeros_like(table.spring))
    for sign in (1.0, -1.0):
        charges = getattr(table, field).copy()
        charges[s] += sign
        changed = problem.with_table(coulomb_only._replace(**{field: charges}))
        shells = changed.shell_pass(displacement)
        cores = changed.core_pass(displacement, shells)
        result.energies[number] += 0.5 * sign * (shells.energy + cores.energy)
        result.shell_forces[number] += 0.5 * sign * shells.force
        result.core_forces[number] += 0.5 * sign * cores.force
        result.virials[number] += 0.5 * sign * (shells.virial + cores.virial)
