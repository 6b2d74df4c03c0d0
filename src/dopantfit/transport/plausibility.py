"""Whether the sites of a trajectory can be ions: shells beside their cores, and ions written twice, cannot."""

import numpy as np
from vesin import NeighborList

from dopantfit.errors import ConfigError
from dopantfit.transport.trajectory import Floats, Positions

#: Sites that stay this close [Å] are no two ions: O-H is 0.96 Å, H-H 0.74 Å, a core and its shell up to 0.5 Å.
_CLOSE = 0.5
#: Sites that are this close [Å] in any frame are none.
_ONE = 0.1


def check_apart(positions: Positions, cells: Floats, labels: tuple[str, ...], source: str) -> None:
    """Refuse sites that are no ions, by the first, the middle and the last frame; ConfigError with a pair of them."""
    frames = sorted({0, len(positions) // 2, len(positions) - 1})
    with np.errstate(all="ignore"):  # numbers that are none; they are refused with the trajectory
        found = [_close_pairs(np.asarray(positions[i], dtype=np.float64), np.asarray(cells[i])) for i in frames]
    staying = set.intersection(*(set(pairs) for pairs in found))
    one = {pair for pairs in found for pair, distance in pairs.items() if distance < _ONE}
    if not staying and not one:
        return
    pairs = sorted(staying or one)
    i, j = pairs[0]
    distance = min(pairs_of[i, j] for pairs_of in found if (i, j) in pairs_of)
    raise ConfigError(
        f"{source}: sites {i + 1} ({labels[i]}) and {j + 1} ({labels[j]}) are {distance:.2g} Å apart, and "
        f"{len(pairs)} pair(s) like them: shells beside their cores, or ions written twice; dump the cores only, or "
        "say which types are shells, as in --types 1=Mg,2=O,3=shell"
    )


def _close_pairs(positions: Floats, cell: Floats) -> dict[tuple[int, int], float]:
    if not np.isfinite(positions).all():
        return {}
    wrapped = (positions @ np.linalg.inv(cell)) % 1.0 @ cell
    i, j, distances = NeighborList(cutoff=_CLOSE, full_list=False, n_threads=1).compute(wrapped, cell, True, "ijd")
    ends = zip(i.tolist(), j.tolist(), distances.tolist(), strict=True)
    return {(min(a, b), max(a, b)): distance for a, b, distance in ends if a != b}
