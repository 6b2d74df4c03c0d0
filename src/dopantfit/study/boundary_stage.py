"""The boundary of a study: sintered, divided into domains, and doped at every concentration."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from ase import Atoms

from dopantfit.boundary.build.config import BuildConfig
from dopantfit.boundary.build.schedule import Schedule
from dopantfit.boundary.build.sinter import build_boundary
from dopantfit.boundary.dope.config import DopeConfig
from dopantfit.boundary.dope.sites import doped
from dopantfit.boundary.profile.domains import NAMES, Domains, Span
from dopantfit.boundary.profile.profiles import nearest_by_domain
from dopantfit.lammps.progress import DynamicsProgress, Report
from dopantfit.potential import Potential
from dopantfit.study.dynamics import counts_of, launcher_of
from dopantfit.study.files import STRUCTURE, read_structure, write_structure
from dopantfit.workflow.graph import action
from dopantfit.workflow.work import Outcome, Work


@action(version=1)
def build(work: Work) -> Outcome:
    """Sinter the undoped boundary and find its domains.

    settings: build (a `BuildConfig`), reducible (label whose distances are reported).
    """
    config = BuildConfig.model_validate_json(json.dumps(work.settings["build"]))
    potential = Potential.load(work.task.files["potential"])
    built = build_boundary(config, potential, work.folder / "sintering", launcher_of(work), reporter=Reporter(work).of)
    atoms, domains = built.atoms, built.domains
    write_structure(work.folder / STRUCTURE, atoms)
    result = {
        "atoms": len(atoms),
        "counts": counts_of(atoms),
        "cell_A": atoms.cell.lengths().tolist(),
        "domains": domains_as_dict(domains),
        "complexion_A": domains.width("complexion"),
        "nearest_A": nearest_by_domain(atoms, domains, work.settings["reducible"]),
        "health": built.record["health"],
    }
    return Outcome(result, (STRUCTURE,), {"ions": len(atoms), "ranks": work.resources.ranks})


@action(version=1)
def dope(work: Work) -> Outcome:
    """Dope the boundary and relax it: one concentration, one realisation.

    needs: boundary. settings: dope (a `DopeConfig`), level, realisation, both from 1.
    """
    want, boundary = work.settings, work.needs["boundary"]
    config = DopeConfig.model_validate_json(json.dumps(want["dope"]))
    potential = Potential.load(work.task.files["potential"])
    host = read_structure(boundary.file(STRUCTURE))
    domains = domains_in(boundary.result["domains"], host)
    start, doping = doped(host, domains, potential, config, want["level"], want["realisation"])
    seed = config.seed + want["realisation"]
    schedule = Schedule(potential, config.host, config.stages, config.health, seed, launcher_of(work))
    atoms, _ = schedule.run(start, work.folder / "relaxation", Reporter(work).of)
    write_structure(work.folder / STRUCTURE, atoms)
    inside = domains_in(boundary.result["domains"], atoms).members(atoms, "amorphous")
    counts = counts_of(atoms[inside])
    result = {
        **doping.as_dict(),
        "atoms": len(atoms),
        "amorphous_per_3PO4": {label: 3.0 * count / counts["P"] for label, count in counts.items()},
    }
    return Outcome(result, (STRUCTURE,), {"ions": len(atoms), "ranks": work.resources.ranks})


class Reporter:
    """Adds up the molecular dynamics of a schedule, run by run."""

    def __init__(self, work: Work) -> None:
        self._work, self._before, self._last = work, 0.0, 0.0

    @contextmanager
    def of(self, label: str) -> Iterator[Report]:
        """Report one run of the schedule."""
        yield self._report
        self._before, self._last = self._before + self._last, 0.0

    def _report(self, progress: DynamicsProgress) -> None:
        self._last = progress.time
        self._work.report(self._before + progress.time, progress.rate)


def domains_as_dict(domains: Domains) -> dict[str, Any]:
    """Return the stretches of every domain as fractions of the cell along z, and the order that told them apart."""
    spans = {name: [[one.low / one.period, one.high / one.period] for one in domains.intervals[name]] for name in NAMES}
    return {**spans, "order_grain": domains.order_grain, "order_amorphous": domains.order_amorphous}


def domains_in(content: Mapping[str, Any], atoms: Atoms) -> Domains:
    """Return the domains that `domains_as_dict` wrote, in a structure whose cell may have changed since."""
    period = float(atoms.cell[2, 2])
    intervals = {
        name: tuple(Span(low * period, high * period, period) for low, high in content[name]) for name in NAMES
    }
    none = np.empty(0)
    return Domains(intervals, content["order_grain"], content["order_amorphous"], none, none)
