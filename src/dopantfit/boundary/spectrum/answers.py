"""From relaxed exchanges to the record of a spectrum."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from dopantfit.boundary.profile.domains import NAMES, Domains
from dopantfit.boundary.spectrum.config import Thermodynamics
from dopantfit.boundary.spectrum.occupation import site_energies
from dopantfit.boundary.spectrum.placement import LayerIons, SampledSpectrum, placements
from dopantfit.boundary.spectrum.question import SpectrumQuestion, structure_hash
from dopantfit.boundary.spectrum.record import TYPICAL, DopantPlacement, SiteEnergies, SpectrumRecord, Stratum
from dopantfit.boundary.spectrum.relaxations import ExchangeEnergy
from dopantfit.boundary.spectrum.sites import ExchangeSite, depths_of, site_numbers
from dopantfit.boundary.swap.walker import ReplicaState
from dopantfit.errors import ConvergenceError
from dopantfit.workflow.provenance import hash_of

#: Sampled sites that must carry the dopants of a domain for its share to mean something, and the part of exchanges
#: that may go without an answer.
FEWEST_CARRIERS, MUTE = 3.0, 0.1


@dataclass(frozen=True)
class Answers:
    """What the record is made of. found: of each chosen site, its arrangements."""

    question: SpectrumQuestion
    atoms: Atoms
    dopants: Sequence[ExchangeSite]
    every: Sequence[ExchangeSite]
    chosen: Sequence[ExchangeSite]
    found: Sequence[tuple[ExchangeEnergy, ...]]

    @property
    def answered(self) -> list[int]:
        """Numbers of the chosen sites of which some arrangement has an answer."""
        known = ("relaxed", "chain", "collapsed")
        return [i for i, several in enumerate(self.found) if any(one.ending in known for one in several)]

    def spectrum(self, thermodynamics: Thermodynamics) -> SampledSpectrum:
        """Sites and energies as the statistics has them; ConvergenceError where a stratum has none."""
        sites = [self.chosen[i] for i in self.answered]
        energies = np.array([[_energy(one) for one in self.found[i]] for i in self.answered]).reshape(len(sites), -1)
        numbers = site_numbers(self.every, self.dopants, self.question.host.framework)
        mute = {site.stratum for site in self.chosen} - {site.stratum for site in sites}
        if mute or not np.isfinite(energies).any():
            where = " and ".join(f"{kind} of the {domain}" for domain, kind in sorted(mute)) or "all kinds"
            raise ConvergenceError(f"no exchange with {where} has an answer; ask for more sites or evaluations")
        names = self.question.domains.names(self.atoms)
        return SampledSpectrum(
            sites=sites,
            energies=energies,
            numbers={one: number for one, number in numbers.items() if one in {site.stratum for site in sites}},
            taken=Counter(site.stratum for site in self.every),
            ions={name: int((names == name).sum()) for name in NAMES},
            held=Counter(site.domain for site in self.dopants),
            layers=_layers(self.atoms, self.question.domains, thermodynamics.layer_width),
            dopants=float(thermodynamics.dopants or len(self.dopants)),
        )


def _energy(one: ExchangeEnergy) -> float:
    if one.change is not None:
        return one.change
    return np.inf if one.ending == "collapsed" else np.nan


def _layers(atoms: Atoms, domains: Domains, width: float) -> list[LayerIons]:
    """Bins of depth from the face of the amorphous domain inwards, each within one domain; none without ions."""
    depth = depths_of(atoms, domains)
    if depth is None:
        return []
    names, found = domains.names(atoms), []
    for number in range(int(np.floor(depth.min() / width)), int(np.floor(depth.max() / width)) + 1):
        low, high = number * width, (number + 1) * width
        inside = (depth >= low) & (depth < high)
        for name in NAMES:
            ions = int((inside & (names == name)).sum())
            if ions:
                found.append(LayerIons(low, high, name, ions))
    return found


def make_record(
    answers: Answers, settings: Thermodynamics, identity: str, host: ReplicaState, gained: float, reference: int
) -> SpectrumRecord:
    """The record; raises as `Answers.spectrum` and `placements` do."""
    spectrum = answers.spectrum(settings)
    placed = placements(spectrum, settings, answers.question.sampling.seed)
    return SpectrumRecord(
        sampling=answers.question.sampling,
        thermodynamics=settings,
        structure=structure_hash(answers.question.atoms),
        potential=hash_of(answers.question.potential.dumps()),
        host=identity,
        host_energy_eV=float("nan") if host.energy is None else host.energy,
        settled_eV=gained,
        reference=reference,
        dopants=spectrum.dopants,
        ions=dict(spectrum.ions),
        strata=tuple(_strata(answers, spectrum)),
        sites=tuple(
            SiteEnergies(
                ion=site.ion,
                kind=site.kind,
                domain=site.domain,
                depth_A=site.depth,
                energies_eV=tuple(one.change for one in several),
                endings=tuple(one.ending for one in several),
            )
            for site, several in zip(answers.chosen, answers.found, strict=True)
        ),
        placements=placed,
        warnings=tuple(_warnings(answers, placed)),
        statements=tuple(_statements(settings, len(answers.dopants))),
    )


def _strata(answers: Answers, spectrum: SampledSpectrum) -> Iterator[Stratum]:
    """Numbers and typical energies of every stratum."""
    free = site_energies(spectrum.energies, TYPICAL)
    for (domain, kind), number in spectrum.numbers.items():
        mine = free[spectrum.members(domain, kind)]
        finite = mine[np.isfinite(mine)]
        yield Stratum(
            domain=domain,
            kind=kind,
            number=number,
            sampled=sum(site.stratum == (domain, kind) for site in answers.chosen),
            answered=len(mine),
            lowest_eV=float(finite.min()) if len(finite) else None,
            median_eV=float(np.median(mine)) if np.isfinite(np.median(mine)) else None,
        )


def _warnings(answers: Answers, placed: Sequence[DopantPlacement]) -> Iterator[str]:
    """What makes the numbers weaker than their bands say."""
    endings = Counter(one.ending for several in answers.found for one in several)
    tried = sum(endings.values()) - endings["no room"]
    if endings["no minimum"] > MUTE * tried:
        yield f"{endings['no minimum']} of {tried} relaxations found no minimum, and are left out"
    poor = [one.temperature_K for one in placed if min(one.carriers.values(), default=0.0) < FEWEST_CARRIERS]
    if poor:
        yield (
            f"at {poor[0]:g} to {poor[-1]:g} K the dopants of some domain rest on fewer than {FEWEST_CARRIERS:g} of "
            "the sampled sites: lower ones may have been missed; take more sites"
        )


def _statements(settings: Thermodynamics, held: int) -> Iterator[str]:
    """What the numbers assume."""
    if held > 1:
        yield (
            f"energies are those of one dopant that changes places while the structure's other {held - 1} stay: the "
            "interaction between dopants enters at the concentration of the structure"
        )
    else:
        yield "energies are those of one lone dopant: the interaction between dopants is left out"
    if settings.interaction:
        yield (
            f"mean-field term of concentration: a site costs {settings.interaction:g} eV more for every unit by which "
            "the mean occupation of its domain exceeds that of the structure"
        )
    else:
        yield "no mean-field term of concentration: a site costs the same however full its domain is"
    if settings.exchange_error:
        yield f"error of the force field's exchange energies between domains: {settings.exchange_error:g} eV (1 s.d.)"
    else:
        yield "error of the force field's exchange energies: not given, and in no band"
    yield "vibrational and volume terms of the free energy are left out: energies are those of minima at fixed cell"
