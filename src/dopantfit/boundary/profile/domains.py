"""Grain, complexion and amorphous domain, told apart by the in-plane order of the framework's cations along the normal.

In the pseudo-cubic crystal the cations of every framework layer stand on a square lattice of half the cell's edge. The
order of a cation is the 2-D Fourier sum over its layer at that lattice's wave vectors: 1 in the perfect crystal
wherever the layer lies, 0 on average at random, free of the choice of an origin. Ramps fitted to order against height
give the ends of the complexions. The normal is z; cells are orthogonal along it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.errors import ConfigError
from dopantfit.structures import labels_of
from dopantfit.structures.hosts import Host

Floats = NDArray[np.float64]

#: Wave vectors in units of 2π over half the pseudo-cubic edge: the first two stars of the square lattice.
STARS = ((1, 0), (0, 1), (1, 1), (1, -1))
#: Plateaus of order that differ by less than this are one domain: above the noise of four cations a layer.
_CONTRAST = 0.3
#: Order below which a uniform structure is amorphous; half-way between none and perfect.
_HALF = 0.5
#: Spacing of the ends that ramps may have [Å].
_RAMP_STEP = 0.25

NAMES = ("grain", "complexion", "amorphous")


@dataclass(frozen=True)
class Span:
    """A stretch of the normal [Å]; it may wrap around the cell, of length `period`."""

    low: float
    high: float
    period: float

    @property
    def width(self) -> float:
        """Its length [Å]."""
        return self.high - self.low

    @property
    def centre(self) -> float:
        """Its middle [Å]."""
        return 0.5 * (self.low + self.high)

    def contains(self, z: Floats) -> NDArray[np.bool_]:
        """Whether heights [Å] lie in it; shape of `z`."""
        return np.asarray((z - self.low) % self.period < self.width)

    def distance(self, z: Floats) -> Floats:
        """Height above its middle [Å], the nearest image; shape of `z`."""
        half = 0.5 * self.period
        return np.asarray((z - self.centre + half) % self.period - half)


@dataclass(frozen=True)
class Domains:
    """The domains of one structure.

    intervals: of each name in NAMES, one or (complexion) two; a domain that is not there has none.
    order_grain, order_amorphous: plateaus of the fitted ramps.
    height, order: of every framework cation [Å] and [1], in the order of the structure, ``shape=(n,)``.
    framework: labels of these cations.
    """

    intervals: dict[str, tuple[Span, ...]]
    order_grain: float
    order_amorphous: float
    height: Floats
    order: Floats
    framework: tuple[str, ...] = ()

    def width(self, name: str) -> float:
        """Mean thickness of the stretches of a domain [Å]; 0 where there is none."""
        stretches = self.intervals[name]
        return float(np.mean([one.width for one in stretches])) if stretches else 0.0

    def members(self, atoms: Atoms, name: str) -> NDArray[np.bool_]:
        """Which ions lie in a domain, ``shape=(n,)``."""
        inside = np.zeros(len(atoms), dtype=bool)
        for one in self.intervals[name]:
            inside |= one.contains(atoms.positions[:, 2])
        return inside

    def names(self, atoms: Atoms) -> NDArray[np.str_]:
        """The name of the domain of every ion, ``shape=(n,)``."""
        result = np.full(len(atoms), NAMES[0], dtype=f"<U{max(map(len, NAMES))}")
        for name in NAMES[1:]:
            result[self.members(atoms, name)] = name
        return result

    @property
    def amorphous(self) -> Span:
        """The amorphous domain; ConfigError when there is none."""
        if not self.intervals["amorphous"]:
            raise ConfigError("the structure has no amorphous domain; sinter a boundary first")
        return self.intervals["amorphous"][0]


def only_domain(atoms: Atoms, name: str) -> Domains:
    """Return the domains of a bulk of any cell, all of which is one; ConfigError for a name that no domain has."""
    if name not in NAMES:
        raise ConfigError(f"there is no domain {name!r}; choose one of {', '.join(NAMES)}")
    period = float(np.abs(atoms.cell.array[:, 2]).sum())
    if not period > 0.0:
        raise ConfigError("the structure has no cell; give it one")
    spans: dict[str, tuple[Span, ...]] = {one: (Span(0.0, period, period),) if one == name else () for one in NAMES}
    return Domains(spans, 1.0, 0.0, np.empty(0), np.empty(0))


def find_domains(
    atoms: Atoms, host: Host, in_plane: tuple[int, int] | None = None, framework: Sequence[str] = ()
) -> Domains:
    """Divide a boundary, periodic along z, of one crystalline and one amorphous slab.

    in_plane: pseudo-cubic cells along the two edges; from the size of the cell by default.
    framework: labels of the cations that carry the order; the host's by default, to which a dopant may be added.
    Raises ConfigError when the cell is not orthogonal along z, or holds too few framework cations.
    """
    framework = tuple(framework) or host.framework
    ions = np.isin(labels_of(atoms), list(framework))
    period = _normal_length(atoms)
    if ions.sum() < 8:
        raise ConfigError(f"domains: {ions.sum()} {'/'.join(framework)} ions are too few, expected at least 8")
    z = atoms.positions[ions, 2] % period
    order = layer_order(atoms, host, in_plane, framework)
    start = _crystal_centre(z, order, period)
    above, below = (z - start) % period, (start - z) % period
    half = 0.5 * period
    up = _fit_ramp(above[above < half], order[above < half], half)
    down = _fit_ramp(below[below < half], order[below < half], half)
    grain, amorphous = 0.5 * (up.inner + down.inner), 0.5 * (up.outer + down.outer)
    if grain - amorphous < _CONTRAST:
        intervals = _uniform(float(order.mean()), period)
    else:
        intervals = {
            "grain": (Span(start - down.begin, start + up.begin, period),),
            "complexion": (
                Span(start + up.begin, start + up.end, period),
                Span(start + period - down.end, start + period - down.begin, period),
            ),
            "amorphous": (Span(start + up.end, start + period - down.end, period),),
        }
    return Domains(intervals, float(grain), float(amorphous), z, order, framework)


def layer_order(
    atoms: Atoms, host: Host, in_plane: tuple[int, int] | None = None, framework: Sequence[str] = ()
) -> Floats:
    """Fourier order of every framework cation in its own layer, ``shape=(n_framework,)``.

    The mean of cos(q·Δr) over the other framework cations within half a layer of its height and over STARS; 0 for
    a cation alone in its layer.
    """
    ions = np.flatnonzero(np.isin(labels_of(atoms), list(framework or host.framework)))
    cells = in_plane or tuple(max(1, round(atoms.cell.lengths()[i] / host.grain.edge)) for i in range(2))
    period = _normal_length(atoms)
    fractions = atoms.get_scaled_positions(wrap=False)[ions, :2]
    # Half a pseudo-cubic edge divides the cell's edge in 2 n parts.
    waves = 2.0 * np.pi * (np.array(STARS) * 2 * np.array(cells))
    phases = np.exp(1j * fractions @ waves.T)
    z = atoms.positions[ions, 2] % period
    gap = np.abs(z[:, None] - z)
    same_layer = np.minimum(gap, period - gap) < host.grain.half_layer
    np.fill_diagonal(same_layer, False)
    neighbours = same_layer.sum(axis=1)
    sums = (phases.conj() * (same_layer.astype(float) @ phases)).real.mean(axis=1)
    return np.asarray(sums / np.maximum(neighbours, 1))


def order_profile(domains: Domains, period: float, spacing: float = 0.5, width: float = 6.0) -> tuple[Floats, Floats]:
    """Heights [Å] and the mean order of the framework cations within half `width` [Å] of each, for pictures.

    NaN where there is no cation. Shapes ``(n,)``.
    """
    heights = np.arange(0.0, period, spacing)
    gap = np.abs(domains.height - heights[:, None])
    near = np.minimum(gap, period - gap) < 0.5 * width
    count = near.sum(axis=1)
    return heights, np.where(count > 0, near @ domains.order / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class _Ramp:
    """Order `inner` up to the distance `begin` from the grain's centre [Å], falling to `outer` at `end`."""

    begin: float
    end: float
    inner: float
    outer: float


def _fit_ramp(distance: Floats, order: Floats, reach: float) -> _Ramp:
    """Least-squares ramp through order against distance from the grain's centre [Å], over all pairs of ends."""
    ends = np.arange(_RAMP_STEP, reach, _RAMP_STEP)
    best, found = np.inf, _Ramp(reach, reach, float(order.mean()), float(order.mean()))
    n = len(order)
    total = float(order.sum())
    for i, begin in enumerate(ends):
        later = ends[i:]
        # Share of the outer plateau at every ion, for every end of the ramp: shape (n_ends, n).
        share = np.clip((distance - begin) / np.maximum(later - begin, 1e-9)[:, None], 0.0, 1.0)
        s, ss, so = share.sum(axis=1), (share**2).sum(axis=1), share @ order
        variance = ss - s**2 / n
        fall = np.where(variance > 1e-9, (so - s * total / n) / np.maximum(variance, 1e-9), 0.0)
        inner = (total - fall * s) / n
        misfit = ((order - inner[:, None] - fall[:, None] * share) ** 2).sum(axis=1)
        at = int(misfit.argmin())
        if misfit[at] < best - 1e-9 * n:
            best = float(misfit[at])
            found = _Ramp(float(begin), float(later[at]), float(inner[at]), float(inner[at] + fall[at]))
    return found


def _crystal_centre(z: Floats, order: Floats, period: float) -> float:
    """Height of the middle of the ordered slab [Å]: the phase of the first harmonic of the order."""
    weights = order - order.mean()
    return float(np.angle((weights * np.exp(2j * np.pi * z / period)).sum()) / (2.0 * np.pi) * period) % period


def _uniform(mean: float, period: float) -> dict[str, tuple[Span, ...]]:
    name = "grain" if mean > _HALF else "amorphous"
    return {one: (Span(0.0, period, period),) if one == name else () for one in NAMES}


def _normal_length(atoms: Atoms) -> float:
    cell = atoms.cell.array
    tilt = max(abs(cell[2, 0]), abs(cell[2, 1]), abs(cell[0, 2]), abs(cell[1, 2]))
    if tilt > 1e-6 * atoms.cell.lengths()[2]:
        raise ConfigError("domains: the cell must be orthogonal along z, the normal; turn the structure")
    return float(cell[2, 2])
