"""How thorough a validation is: sizes and durations by level, from minutes to the published work's 2 ns."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dopantfit.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Level:
    """Sizes and durations of one level.

    parity_frames: reference frames of every composition on which the two engines are compared.
    compound_edge: shortest edge of the phosphate's supercell [Å]; compound_ps: its run at 300 K [ps].
    arrangements: random distributions of the substituted ions over which the host's cell is averaged.
    host_repeats: cells of the host along its vectors; expansion_ps: its runs at two temperatures [ps].
    hot_repeats, hot_ps, drift_ps: cell, run and constant-energy stretch [ps] of the stability gate.
    mobility_repeats, mobility_ps, replicas: cell, run [ps] and independent runs of the ion dynamics.
    """

    parity_frames: int
    compound_edge: float
    compound_ps: float
    arrangements: int
    host_repeats: tuple[int, int, int]
    expansion_ps: float
    hot_repeats: tuple[int, int, int]
    hot_ps: float
    drift_ps: float
    mobility_repeats: tuple[int, int, int]
    mobility_ps: float
    replicas: int


#: quick: under 15 minutes on two cores. standard: about an hour on two. paper: three of the published work's 2 ns
#: runs of the ion dynamics, for a machine with many cores.
LEVELS: Mapping[str, Level] = MappingProxyType(
    {
        "quick": Level(1, 9.5, 4.0, 2, (1, 1, 1), 6.0, (1, 1, 1), 10.0, 3.0, (2, 2, 1), 25.0, 1),
        "standard": Level(3, 14.0, 20.0, 4, (2, 2, 1), 20.0, (2, 2, 1), 20.0, 5.0, (2, 2, 1), 150.0, 1),
        "paper": Level(10, 19.0, 100.0, 8, (2, 2, 1), 100.0, (3, 3, 1), 100.0, 20.0, (3, 3, 1), 2000.0, 3),
    }
)


def level(name: str) -> Level:
    """Return the level of that name; ConfigError naming those there are."""
    if name not in LEVELS:
        raise ConfigError(f"--level {name}: no such level; choose one of {', '.join(LEVELS)}")
    return LEVELS[name]
