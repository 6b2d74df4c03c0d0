"""All concentrations and realisations of a doping: independent, resumable, one folder each."""

import time
from collections.abc import Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from dopantfit.boundary.build.schedule import Schedule
from dopantfit.boundary.build.sinter import BOUNDARY
from dopantfit.boundary.dope.config import DopeConfig
from dopantfit.boundary.dope.record import DOPE_RECORD, DopeRecord
from dopantfit.boundary.dope.sites import check_dopant, doped
from dopantfit.boundary.profile.description import describe
from dopantfit.boundary.profile.domains import Domains, find_domains
from dopantfit.boundary.profile.figures import draw_boundary
from dopantfit.errors import CollapseError, ConfigError, ConvergenceError, EngineError
from dopantfit.lammps import Launcher
from dopantfit.potential import Potential
from dopantfit.reference.frames import dump_frames
from dopantfit.workflow.lock import run_folder
from dopantfit.workflow.progress import NOBODY, ProgressObserver
from dopantfit.workflow.provenance import Provenance, write_text_atomic

DOPED = "doped.extxyz"


@dataclass(frozen=True)
class _Realisation:
    """One realisation, as an executor gets it."""

    atoms: Atoms
    domains: Domains
    potential: Potential
    config: DopeConfig
    folder: Path
    launcher: Launcher

    def __call__(self, level: int, realisation: int, observer: ProgressObserver = NOBODY) -> DopeRecord:
        """Dope and relax; the record of the realisation, with ``error`` where it was lost on the way."""
        folder = self.folder / f"GB_{level}" / f"r{realisation:02d}"
        with run_folder(folder):
            return self._in(folder, level, realisation, observer)

    def _in(self, folder: Path, level: int, realisation: int, observer: ProgressObserver) -> DopeRecord:
        started = time.time()
        DopeRecord.require_version(folder / DOPE_RECORD)
        start, doping = doped(self.atoms, self.domains, self.potential, self.config, level, realisation)
        write_text_atomic(folder / DOPED, dump_frames([start]))
        config = self.config
        seed = config.seed + realisation
        title = f"GB_{level} r{realisation:02d} "
        schedule = Schedule(self.potential, config.host, config.stages, config.health, seed, self.launcher, title)
        try:
            end, stages = schedule.run(start, folder, observer)
        except (CollapseError, ConvergenceError, EngineError) as problem:
            # The other realisations go on; the next call takes this one up again.
            return DopeRecord(folder=str(folder), doping=doping, error=" ".join(str(problem).split()))
        write_text_atomic(folder / BOUNDARY, dump_frames([end]))
        # Without the dopant on its sites the amorphous domain would seem to have too few cations to judge by.
        carriers = config.host.framework
        if set(carriers) & set(config.replaces):
            carriers = (*carriers, config.dopant)
        domains = find_domains(end, config.host, framework=carriers)
        draw_boundary(end, domains, config.host, folder / "figures")
        record = DopeRecord(
            folder=str(folder),
            doping=doping,
            domains=describe(end, domains, config.host),
            stages=tuple(stages),
            record=Provenance.of(
                {"doped": folder / DOPED}, config.model_dump(mode="json"), seed=config.seed, started=started
            ),
        )
        record.write(folder / DOPE_RECORD)
        return record


def dope_boundary(
    atoms: Atoms,
    potential: Potential,
    config: DopeConfig,
    folder: Path,
    launcher: Launcher,
    *,
    levels: Iterable[int] | None = None,
    realisations: int | None = None,
    executor: Executor | None = None,
    observer: ProgressObserver = NOBODY,
) -> list[DopeRecord]:
    """Dope a boundary at every concentration, relax every realisation; return their records.

    levels: 1 for GB_1; all by default. realisations: so many of each, those of the configuration by default.
    executor: realisations are independent tasks of it; one after the other by default.
    A realisation that collapses or whose engine dies is named in its record (``error``); the others go on.
    Raises ConfigError for what no realisation can be made of, and where another version doped what is in the folder.
    """
    check_dopant(config, potential)
    if "grain_ions" not in atoms.info:
        raise ConfigError("the structure does not say which ions are its grain; dope one that was built here")
    domains = find_domains(atoms, config.host)
    chosen = list(range(1, len(config.concentrations) + 1) if levels is None else levels)
    wanted = config.realisations if realisations is None else realisations
    if wanted < 1:
        raise ConfigError(f"{wanted} realisations were asked for; ask for at least one")
    task = _Realisation(atoms, domains, potential, config, folder, launcher)
    # What cannot be is said before anything runs.
    for level in chosen:
        doped(atoms, domains, potential, config, level, 1)
    pairs = [(level, number) for level in chosen for number in range(1, wanted + 1)]
    if executor is None:
        return [task(level, number, observer) for level, number in pairs]
    futures: list[Future[DopeRecord]] = [executor.submit(task, level, number) for level, number in pairs]
    return [future.result() for future in futures]
