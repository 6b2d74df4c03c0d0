"""What a design is made of: its settings, and the study of every dopant as its glasses are to be run."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dopantfit.design.grain import GrainShares, grain_shares
from dopantfit.design.settings import DesignSettings, load_design
from dopantfit.design.space import Composition, CompositionSpace
from dopantfit.errors import ConfigError
from dopantfit.structures import Host
from dopantfit.study.config import Ensemble, StudyConfig, load_study
from dopantfit.study.extent import CompositionExtent, Extent
from dopantfit.study.tasks import Planner
from dopantfit.validate.record import require_valid
from dopantfit.validate.record_schema import ValidationStatus
from dopantfit.workflow.provenance import hash_of, sha256_of


@dataclass(frozen=True)
class DopantInputs:
    """One dopant: its study, the file of that, on what grounds its potential is used, and its share in the grain."""

    study: StudyConfig
    file: Path
    status: ValidationStatus
    grain: GrainShares

    @property
    def name(self) -> str:
        """Label of the dopant."""
        return self.study.dopant

    def planner(self, segments: tuple[int, ...]) -> Planner:
        """Return what makes the tasks of the study, with so many segments of production for every composition."""
        quenches = self.study.boundary.quenches
        grown = (CompositionExtent(quenches=quenches, arrangements=1, glass_segments=one) for one in segments)
        return Planner(self.study, self.file.parent, Extent(compositions=tuple(grown)))

    @cached_property
    def potential(self) -> Path:
        """File of the potential."""
        return self.planner((1,)).own_potential["potential"]


@dataclass(frozen=True)
class DesignInputs:
    """A design that was read and checked, before any work. file: that asks for it."""

    settings: DesignSettings
    file: Path
    dopants: tuple[DopantInputs, ...]
    host: Host

    @property
    def space(self) -> CompositionSpace:
        """The compositions."""
        return CompositionSpace(tuple(one.name for one in self.dopants), self.settings.dose, self.settings.share)

    @property
    def seed(self) -> int:
        """Of everything random."""
        own = self.settings.seed
        return self.dopants[0].study.seed if own is None else own

    def dopant(self, name: str) -> DopantInputs:
        """Return a dopant by its label."""
        return next(one for one in self.dopants if one.name == name)

    def is_allowed(self, one: Composition) -> bool:
        """Whether the share in the grain does not forbid a composition."""
        found = self.dopant(one.dopant).grain.of(one.dose)
        return found is None or found.answer != "no"

    @cached_property
    def key(self) -> str:
        """Hash of all that trials depend on: everything but how many of them there are."""
        settings = self.settings.model_dump(mode="json", exclude={"trials"})
        studies = [one.study.model_dump(mode="json", exclude={"rules"}) for one in self.dopants]
        potentials = [sha256_of(one.potential) for one in self.dopants]
        return hash_of({"settings": settings, "studies": studies, "potentials": potentials})


def design_inputs(folders: list[Path], preset: str | None, trials: int | None = None) -> DesignInputs:
    """Read the design in the first folder, and the studies of all; trials: instead of what it says.

    Raises ConfigError, one line, where a file is not there or wrong, a potential or its gates are missing, dopants are
    one, hosts differ, or a dopant takes no places of the reducible ion.
    """
    settings, file = load_design(folders[0], preset)
    if trials is not None:
        settings = settings.model_copy(update={"trials": trials})
    dopants = tuple(_dopant(folder, settings) for folder in folders)
    names = [one.name for one in dopants]
    if len(set(names)) < len(names):
        raise ConfigError(f"design: {', '.join(names)}: two fits of one dopant; name one of them")
    hosts = [one.planner((1,)).host for one in dopants]
    for one, host in zip(dopants, hosts, strict=True):
        if host != hosts[0]:
            raise ConfigError(
                f"{one.file}: its host is {host.name}, that of {dopants[0].file} {hosts[0].name}; a design has one"
            )
    return DesignInputs(settings, file if file.is_file() else dopants[0].file, dopants, hosts[0])


def _dopant(folder: Path, settings: DesignSettings) -> DopantInputs:
    written, file = load_study(folder, settings.preset)
    study = _as_designed(written, settings)
    planner = Planner(study, file.parent)
    planner.check_dopant()
    if planner.host.reducible not in planner.replaces:
        raise ConfigError(
            f"{file}: {study.dopant} takes places of {', '.join(planner.replaces)}, and a design exchanges "
            f"{planner.host.reducible}; name a dopant of the framework"
        )
    potential = planner.own_potential["potential"]
    status = require_valid(potential, planner.base / study.validation, study.accept_failed_gates or None)
    return DopantInputs(study, file, status, grain_shares(file.parent, study, sha256_of(potential)))


def _as_designed(study: StudyConfig, settings: DesignSettings) -> StudyConfig:
    """The study with the boundaries and the runs of the design, and nothing that no objective asks for."""
    glass = {} if settings.glass is None else settings.glass.model_dump()
    wanted = {**glass, "cells": 1, "reducible_free": False, "arrhenius_of": 1}
    return study.model_copy(
        update={
            "seed": study.seed if settings.seed is None else settings.seed,
            "boundary": study.boundary.model_copy(update={"quenches": settings.quenches}),
            "amorphous": study.amorphous.model_copy(update=wanted),
            "second_temperature": None,
            "ensemble": Ensemble(),
        }
    )
