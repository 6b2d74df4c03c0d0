"""Doping the amorphous domain of a boundary: charge-balanced, along a profile, in seeded realisations.

The rule: a dopant of formal charge z on the site of a host ion of charge z_h leaves the charge z - z_h, which mobile
ions make up for: they are brought, or removed where it is positive.
"""

from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from dopantfit.boundary.dope.config import DopeConfig
from dopantfit.boundary.dope.voids import largest_voids
from dopantfit.boundary.profile.domains import Domains
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.structures import labels_of, total_formal_charge, with_labels
from dopantfit.structures.hosts.load import check_potential
from dopantfit.workflow.schema import Model

Floats = NDArray[np.float64]


class DopingResult(Model):
    """What one realisation got.

    level: 1 for GB_1. asked: concentration as asked for [at%]. replaced: ions of every host label that were replaced.
    extra: mobile ions brought (removed, where negative). mean_percent: dopant in the doped domain [at%].
    replaced_fraction: of every host label, part of its ions in the domain. smallest_room: of the voids taken, see
    `dope_voids.largest_voids`; None without extra ions.
    """

    level: int
    realisation: int
    asked: float
    replaced: dict[str, int]
    extra: int
    mean_percent: float
    replaced_fraction: dict[str, float]
    smallest_room: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, ready for JSON."""
        return self.model_dump(mode="json")


def doped(
    atoms: Atoms, domains: Domains, potential: Potential, config: DopeConfig, level: int, realisation: int
) -> tuple[Atoms, DopingResult]:
    """Dope a boundary: GB_`level`, the random realisation `realisation`, both counted from 1.

    Ions keep their order, extra ones come last. The same configuration gives the same ions.
    Raises ConfigError when the dopant is not in the potential, or there are too few sites, ions or voids for it.
    """
    check_dopant(config, potential)
    rng = np.random.default_rng([config.seed, level, realisation])
    counts = dopant_counts(atoms, domains, potential, config, level)
    inside = domains.members(atoms, "amorphous")
    before = np.array(labels_of(atoms))
    available = {host: int((inside & (before == host)).sum()) for host in counts}
    result = with_labels(atoms, _exchanged(atoms, domains, config, counts, level, rng))
    result.info = dict(atoms.info)
    extra = _whole_extra(counts, potential, config, level)
    result, room = _balanced(result, domains, config, extra, rng)
    _check_neutral(result, potential, level)
    return result, DopingResult(
        level=level,
        realisation=realisation,
        asked=config.concentrations[level - 1],
        replaced=counts,
        extra=extra,
        mean_percent=100.0 * sum(counts.values()) / (int(inside.sum()) + extra),
        replaced_fraction={host: counts[host] / max(1, available[host]) for host in counts},
        smallest_room=room,
    )


def _exchanged(
    atoms: Atoms, domains: Domains, config: DopeConfig, counts: dict[str, int], level: int, rng: np.random.Generator
) -> list[str]:
    """Return the labels with the dopant on sites drawn from the profile; ConfigError where it reaches too few."""
    labels = np.array(labels_of(atoms), dtype=object)
    domain = domains.amorphous
    weight = config.profile.weight(domain.distance(atoms.positions[:, 2]), domain)
    weight = weight * domains.members(atoms, "amorphous")
    for host, count in counts.items():
        if not count:
            continue  # perhaps for want of sites, and of none nothing can be drawn
        sites = np.flatnonzero((labels == host) & (weight > 0.0))
        if count > len(sites):
            raise ConfigError(
                f"GB_{level}: {count} {config.dopant} for {host}, but the profile reaches only {len(sites)} of its "
                f"sites in the amorphous domain; ask for less than {config.concentrations[level - 1]!r} at%"
            )
        drawn = rng.choice(sites, size=count, replace=False, p=weight[sites] / weight[sites].sum())
        labels[drawn] = config.dopant
    return list(labels)


def dopant_counts(
    atoms: Atoms, domains: Domains, potential: Potential, config: DopeConfig, level: int
) -> dict[str, int]:
    """Return how many ions of every host label GB_`level` replaces, in proportion to their number in the domain.

    The concentration counts the mobile ions that come with the dopant: c = M / (N + k M).
    Raises ConfigError when there are more dopants than sites.
    """
    if not 1 <= level <= len(config.concentrations):
        raise ConfigError(f"there is no GB_{level}; the configuration has GB_1 to GB_{len(config.concentrations)}")
    asked = config.concentrations[level - 1]
    mean = asked / (config.peak_over_mean(domains.amorphous) if config.measure == "peak" else 1.0) / 100.0
    inside = domains.members(atoms, "amorphous")
    labels = np.array(labels_of(atoms))
    sites = {host: int((inside & (labels == host)).sum()) for host in config.replaces}
    n_sites = sum(sites.values())
    if not n_sites:
        raise ConfigError(f"the amorphous domain has no {' or '.join(config.replaces)} to replace; name other ions")
    per_dopant = sum(n * _extra_per_site(host, potential, config) for host, n in sites.items()) / n_sites
    wanted = round(mean * inside.sum() / (1.0 - mean * per_dopant)) if mean * per_dopant < 1.0 else n_sites + 1
    if wanted > n_sites:
        highest = 100.0 * n_sites / (inside.sum() + per_dopant * n_sites)
        raise ConfigError(
            f"GB_{level}: {100.0 * mean:.2f} at% {config.dopant} on average are more than the sites of "
            f"{' and '.join(config.replaces)} in the amorphous domain, {n_sites}; ask for {highest:.2f} at% at most"
        )
    if wanted < 1:
        raise ConfigError(
            f"GB_{level}: {asked!r} at% of {inside.sum()} ions is not one {config.dopant}; "
            "ask for more, or build a larger boundary"
        )
    return _apportioned(wanted, sites)


def check_dopant(config: DopeConfig, potential: Potential) -> None:
    """Raise ConfigError when the potential cannot describe this doping."""
    missing = sorted({config.dopant, config.mobile, *config.replaces} - set(potential.species))
    if missing:
        raise ConfigError(
            f"dope: {', '.join(missing)} not in the potential {potential.name}; it has {', '.join(potential.species)}: "
            "take a potential with the dopant"
        )
    check_potential(config.host, potential)
    if config.dopant in config.host.charges or potential.species[config.dopant].formal_charge <= 0:
        what = "an ion of the host" if config.dopant in config.host.charges else "no cation"
        raise ConfigError(
            f"dope: dopant = {config.dopant!r} is {what}; name a cation of the potential that the host "
            f"({', '.join(sorted(config.host.charges))}) does not hold"
        )
    unit = config.host.polyanion
    wrong = [one for one in config.replaces if one == unit.centre or potential.species[one].formal_charge <= 0]
    if wrong:
        raise ConfigError(
            f"dope: replaces = {wrong[0]!r} is no cation beside the {unit.formula}; name others, such as "
            f"{config.host.framework[0]}"
        )
    if potential.species[config.mobile].formal_charge <= 0:
        raise ConfigError(f"dope: mobile = {config.mobile!r} must be a cation, such as {config.host.mobile}")


def _extra_per_site(host: str, potential: Potential, config: DopeConfig) -> float:
    """Mobile ions that a dopant on such a site brings; a part of one where their charge does not divide."""
    missing = potential.species[host].formal_charge - potential.species[config.dopant].formal_charge
    return missing / potential.species[config.mobile].formal_charge


def _whole_extra(counts: dict[str, int], potential: Potential, config: DopeConfig, level: int) -> int:
    charges = {label: ion.formal_charge for label, ion in potential.species.items()}
    missing = sum((charges[host] - charges[config.dopant]) * count for host, count in counts.items())
    extra, rest = divmod(missing, charges[config.mobile])
    if rest:
        raise ConfigError(
            f"GB_{level}: {sum(counts.values())} {config.dopant} leave the charge {-missing:+d}, which whole "
            f"{config.mobile} cannot balance; ask for another concentration"
        )
    return extra


def _apportioned(total: int, sites: dict[str, int]) -> dict[str, int]:
    """Share whole ions in proportion to the sites; the largest remainders get what rounding down leaves."""
    exact = {host: total * n / sum(sites.values()) for host, n in sites.items()}
    shares = {host: int(value) for host, value in exact.items()}
    for host in sorted(exact, key=lambda one: (shares[one] - exact[one], one))[: total - sum(shares.values())]:
        shares[host] += 1
    return shares


def _balanced(
    atoms: Atoms, domains: Domains, config: DopeConfig, extra: int, rng: np.random.Generator
) -> tuple[Atoms, float | None]:
    """Bring or remove mobile ions in the amorphous domain; return the smallest room of the voids taken."""
    labels = labels_of(atoms)
    if extra > 0:
        anions = np.array(labels) == config.host.polyanion.ligand
        sites, room = largest_voids(atoms, anions, domains.amorphous, extra)
        more = with_labels(atoms + Atoms(f"H{extra}", positions=sites), [*labels, *[config.mobile] * extra])
        more.info = dict(atoms.info)
        return more, float(room.min())
    mobile = np.flatnonzero(domains.members(atoms, "amorphous") & (np.array(labels) == config.mobile))
    if -extra > len(mobile):
        raise ConfigError(
            f"the dopant needs {-extra} {config.mobile} removed, the amorphous domain has {len(mobile)}; dope less"
        )
    keep = np.ones(len(atoms), dtype=bool)
    keep[rng.choice(mobile, size=-extra, replace=False)] = False
    result = atoms[keep]
    # One of the grain's own may have come to the amorphous domain.
    result.info["grain_ions"] = int(keep[: int(atoms.info["grain_ions"])].sum())
    return result, None


def _check_neutral(atoms: Atoms, potential: Potential, level: int) -> None:
    charge = total_formal_charge(atoms, {label: ion.formal_charge for label, ion in potential.species.items()})
    if charge:
        raise ConfigError(f"GB_{level} has a net formal charge of {charge:+d} e; start from a neutral boundary")
