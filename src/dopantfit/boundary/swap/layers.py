"""Which sites may take part in swaps: a reservoir on the amorphous side, and ever more layers of one grain."""

import numpy as np

from dopantfit.boundary.swap.config import Layers
from dopantfit.energy.arrays import Floats, Integers
from dopantfit.errors import ConfigError


def open_layers(layers: Layers, round_number: int) -> int:
    """Layers that are open in a round, counted from 0."""
    return min(layers.count, 1 + round_number // layers.rounds_per_layer)


def depths(layers: Layers, heights: Floats, length: float, start_length: float) -> Floats:
    """Depth of ions below the interface, into the grain [Å]; negative in the reservoir, which is where it wraps.

    heights: along the normal [Å]. length: of the cell along it [Å]; start_length: when the interface was given. The
    interface moves with the cell.
    Raises ConfigError when reservoir and layers do not fit into the cell.
    """
    reach = layers.reservoir + layers.count * layers.width
    if reach > length:
        raise ConfigError(
            f"layers: a reservoir of {layers.reservoir:g} Å and {layers.count} layers of {layers.width:g} Å need "
            f"{reach:g} Å along the normal, the cell has {length:.4g} Å; take fewer layers or a thicker cell"
        )
    below = layers.into_grain * (heights - layers.interface * length / start_length)
    return np.asarray((below + layers.reservoir) % length - layers.reservoir)


def active_sites(layers: Layers, depth: Floats, round_number: int) -> Integers:
    """Indices of the ions on open layers or in the reservoir, from their depths [Å]."""
    return np.flatnonzero(depth < open_layers(layers, round_number) * layers.width)
