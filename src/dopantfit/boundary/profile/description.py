"""The domains of a boundary in numbers: width, order, composition, distances of the reducible ions."""

from ase import Atoms

from dopantfit.boundary.profile.domains import NAMES, Domains
from dopantfit.boundary.profile.profiles import composition_by_domain, nearest_by_domain
from dopantfit.structures.hosts import Host
from dopantfit.workflow.schema import Model


class MeanDistance(Model):
    """Mean distance to the nearest ion of the same label, and its standard error [Å]."""

    mean: float
    error: float


class DomainRecord(Model):
    """One domain: its stretches of the normal [Å], ions, composition [at%]; nearest_A: None with less than two ions."""

    intervals_A: tuple[tuple[float, float], ...]
    width_A: float
    ions: int
    atomic_percent: dict[str, float]
    nearest_A: MeanDistance | None


class DomainsRecord(Model):
    """All domains. framework: labels that tell them apart, by their order. nearest_of: the reducible ion."""

    framework: tuple[str, ...]
    nearest_of: str
    order_grain: float
    order_amorphous: float
    grain: DomainRecord
    complexion: DomainRecord
    amorphous: DomainRecord


def describe(atoms: Atoms, domains: Domains, host: Host) -> DomainsRecord:
    """Return widths, order, composition and distances of the reducible ions of the domains."""
    distances = nearest_by_domain(atoms, domains, host.reducible)
    percent = composition_by_domain(atoms, domains)
    found = {
        name: DomainRecord(
            intervals_A=tuple((float(one.low), float(one.high)) for one in domains.intervals[name]),
            width_A=float(domains.width(name)),
            ions=int(domains.members(atoms, name).sum()),
            atomic_percent=percent[name],
            nearest_A=None if (near := distances[name]) is None else MeanDistance(mean=near[0], error=near[1]),
        )
        for name in NAMES
    }
    return DomainsRecord(
        framework=tuple(domains.framework),
        nearest_of=host.reducible,
        order_grain=float(domains.order_grain),
        order_amorphous=float(domains.order_amorphous),
        grain=found["grain"],
        complexion=found["complexion"],
        amorphous=found["amorphous"],
    )
