"""What moves in a trajectory and how fast, each number with its error. Usable on its own: no potential, no LAMMPS.

The chain reads as the derivation: a `Trajectory`, its mean square displacement, the tracer diffusion coefficient with
its interval, the conductivity, its Arrhenius line. Beside it: densities, pair distributions, site occupancy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dopantfit.transport.arrhenius import ArrheniusFit, fit_arrhenius
    from dopantfit.transport.conductivity import Conductivity, collective_conductivity, haven_ratio, tracer_conductivity
    from dopantfit.transport.density import Density, density_difference, density_of, isosurface
    from dopantfit.transport.diffusion import Diffusion, tracer_diffusion
    from dopantfit.transport.msd import MeanSquareDisplacement, collective_displacement, mean_square_displacement
    from dopantfit.transport.occupancy import Occupancy, site_occupancy
    from dopantfit.transport.pairs import PairDistribution, coordination_number, pair_distribution
    from dopantfit.transport.reading import read_trajectory
    from dopantfit.transport.trajectory import Trajectory

__all__ = [
    "ArrheniusFit",
    "Conductivity",
    "Density",
    "Diffusion",
    "MeanSquareDisplacement",
    "Occupancy",
    "PairDistribution",
    "Trajectory",
    "collective_conductivity",
    "collective_displacement",
    "coordination_number",
    "density_difference",
    "density_of",
    "fit_arrhenius",
    "haven_ratio",
    "isosurface",
    "mean_square_displacement",
    "pair_distribution",
    "read_trajectory",
    "site_occupancy",
    "tracer_conductivity",
    "tracer_diffusion",
]

_ROOMS = (
    "arrhenius",
    "conductivity",
    "density",
    "diffusion",
    "msd",
    "occupancy",
    "pairs",
    "reading",
    "trajectory",
)


def __getattr__(name: str) -> Any:
    """Loads the public names when they are first asked for, so that the command line starts at once."""
    if name in __all__:
        for room in _ROOMS:
            module = import_module(f"{__name__}.{room}")
            if getattr(getattr(module, name, None), "__module__", None) == module.__name__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
