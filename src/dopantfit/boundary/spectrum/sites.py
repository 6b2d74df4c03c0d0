"""Which sites there are, of what kind, in which domain and how deep, and a seeded sample of them.

The sample is stratified: every kind in every domain has its turn, and within one the sites are spread over depth by an
additive recurrence with the golden ratio (Kronecker). A larger sample holds every smaller one of the same seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from ase import Atoms

from dopantfit.boundary.profile.domains import NAMES, Domains
from dopantfit.energy.arrays import Floats
from dopantfit.errors import ConfigError
from dopantfit.structures import labels_of

_GOLDEN = 0.5 * (5**0.5 - 1.0)

#: Domain and kind, e.g. ("grain", "Al").
DomainKind = tuple[str, str]


@dataclass(frozen=True)
class ExchangeSite:
    """A cation's site: index of the ion, its label (the kind), its domain, and its depth [Å].

    depth: below the nearer face of the amorphous domain, into the complexion and the grain; negative in the amorphous
    domain; None where a structure has no such face.
    """

    ion: int
    kind: str
    domain: str
    depth: float | None

    @property
    def stratum(self) -> DomainKind:
        """Domain and kind."""
        return self.domain, self.kind


def sites_of(atoms: Atoms, domains: Domains, kinds: Sequence[str]) -> list[ExchangeSite]:
    """All sites of these kinds, in the order of the ions."""
    labels, names, depth = labels_of(atoms), domains.names(atoms), depths_of(atoms, domains)
    return [
        ExchangeSite(ion, label, str(names[ion]), None if depth is None else float(depth[ion]))
        for ion, label in enumerate(labels)
        if label in kinds
    ]


def depths_of(atoms: Atoms, domains: Domains) -> Floats | None:
    """Depth of every ion below the nearer face of the amorphous domain [Å], ``shape=(n,)``; None without faces."""
    if not domains.intervals["amorphous"] or domains.amorphous.width >= domains.amorphous.period:
        return None
    amorphous = domains.amorphous
    return np.asarray(np.abs(amorphous.distance(atoms.positions[:, 2])) - 0.5 * amorphous.width)


def site_numbers(
    sites: Sequence[ExchangeSite], dopants: Sequence[ExchangeSite], framework: Sequence[str]
) -> dict[DomainKind, float]:
    """How many sites of each kind a domain has, those that dopants hold included.

    Dopants came to framework sites of their domain at random: their sites count among those, in proportion. Where a
    domain has no such site left, they count with all of its kinds.
    """
    counts: dict[DomainKind, float] = {}
    for site in sites:
        counts[site.stratum] = counts.get(site.stratum, 0.0) + 1.0
    for domain in NAMES:
        held = sum(site.domain == domain for site in dopants)
        own = [one for one in counts if one[0] == domain]
        own = [one for one in own if one[1] in framework] or own
        total = sum(counts[one] for one in own)
        for one in own:
            counts[one] *= 1.0 + held / total
    return dict(sorted(counts.items(), key=lambda item: (NAMES.index(item[0][0]), item[0][1])))


def sampled(sites: Sequence[ExchangeSite], count: int, seed: int) -> list[ExchangeSite]:
    """So many sites, every stratum in turn; all of them where there are no more.

    Raises ConfigError where there is no site at all.
    """
    if not sites:
        raise ConfigError("there is no site of any partner to exchange with; name other partners")
    strata = sorted({site.stratum for site in sites}, key=lambda one: (NAMES.index(one[0]), one[1]))
    queues = {one: _spread([site for site in sites if site.stratum == one], seed, one) for one in strata}
    chosen: list[ExchangeSite] = []
    for stratum in cycle(strata):
        if len(chosen) >= min(count, len(sites)):
            return chosen
        if queues[stratum]:
            chosen.append(queues[stratum].pop(0))
    return chosen


def _spread(sites: list[ExchangeSite], seed: int, stratum: DomainKind) -> list[ExchangeSite]:
    """All sites of a stratum in the order in which they are taken; every first part of it is spread over depth."""
    ordered = sorted(sites, key=lambda site: (0.0 if site.depth is None else site.depth, site.ion))
    at = float(np.random.default_rng([seed, *"".join(stratum).encode()]).random())
    taken: dict[int, None] = {}
    while len(taken) < len(ordered):
        place = int(at * len(ordered))
        # The next that is free, upwards: a recurrence returns to the same place only when most are taken.
        while place in taken:
            place = (place + 1) % len(ordered)
        taken[place] = None
        at = (at + _GOLDEN) % 1.0
    return [ordered[place] for place in taken]
