"""The design as a Python function: from fitted potentials to a front of compositions."""

import os
from collections.abc import Callable
from pathlib import Path

from dopantfit.design.cost import DesignCost, design_cost
from dopantfit.design.inputs import design_inputs
from dopantfit.design.page import KEPT, PAGE, RESULT, check_target, write_result
from dopantfit.design.record import DesignRecord
from dopantfit.design.run import run_design
from dopantfit.design.settings import load_design
from dopantfit.errors import ConfigError
from dopantfit.lammps import Launcher
from dopantfit.strict_toml import is_dir
from dopantfit.study.verb import StudyWatch, unwatched
from dopantfit.workflow.names import default_run
from dopantfit.workflow.pool import Pool, local_pool, site_pool
from dopantfit.workflow.site import load_site
from dopantfit.workflow.work import Resources


def design(
    *folders: str | Path,
    preset: str | None = None,
    trials: int | None = None,
    run: str | Path | None = None,
    workers: int | None = None,
    site: str | Path | None = None,
    keep: bool = False,
    watch: StudyWatch = unwatched,
) -> DesignRecord:
    """Search the compositions that conduct best with the least of the reducible ion. Goes on where it was ended.

    folders: of fits with study.toml, one for each dopant; design.toml of the first says what is searched. preset:
    quick, night, desk or paper, instead of the one that it names. trials: compositions, likewise. run: run folder,
    ``runs/design-<folders>-<preset>`` by default; page, record and figures come to its folder ``result``. workers:
    tasks at a time. site: file (TOML) of a cluster. keep: put them into ``design`` in the first folder, too.
    Raises ConfigError, one line, for bad input; glasses that fail stand in the record.
    """
    inputs = design_inputs(_paths(folders), preset, trials)
    place = run_place(*folders, preset=preset, run=run)
    targets = [place / RESULT, *([_base(folders) / KEPT] if keep else [])]
    for target in targets:
        check_target(target)
    pool, resources = _workers(place, workers, site)
    record = run_design(inputs, place, pool, resources, watch)
    for target in targets:
        write_result(record, inputs.host, target)
    return record


def _workers(place: Path, workers: int | None, site: str | Path | None) -> tuple[Callable[[], Pool], Resources]:
    """What makes the workers of a round, and with what they run."""
    if site is None:
        count = workers or len(os.sched_getaffinity(0))
        return lambda: local_pool(count), Resources()
    described = load_site(Path(site))
    described.check(str(site))
    if described.provider == "local" and not described.worker_init:
        Launcher(described.launcher).check()  # nothing there is other than here
    return lambda: site_pool(described, place / "parsl"), described.resources


def plan(
    *folders: str | Path,
    preset: str | None = None,
    trials: int | None = None,
    run: str | Path | None = None,
    cores: int | None = None,
    calibrating: Callable[[], None] = lambda: None,
) -> DesignCost:
    """Estimate what a design costs, from rates measured on this machine; see `design` and `design_cost`."""
    inputs = design_inputs(_paths(folders), preset, trials)
    return design_cost(inputs, run_place(*folders, preset=preset, run=run), cores, calibrating)


def run_place(*folders: str | Path, preset: str | None = None, run: str | Path | None = None) -> Path:
    """Where a design runs: where it was told to, or ``runs/design-<folders>-<preset>``."""
    if run is not None:
        return Path(run)
    names = "+".join(_folder(one).resolve().name for one in _paths(folders))
    return default_run("design", names, load_design(_base(folders), preset)[0].preset)


def page_of(*folders: str | Path, preset: str | None = None, run: str | Path | None = None, kept: bool = False) -> Path:
    """Where the page of a design lies that was made with these words."""
    return (_base(folders) / KEPT if kept else run_place(*folders, preset=preset, run=run) / RESULT) / PAGE


def _paths(folders: tuple[str | Path, ...]) -> list[Path]:
    if not folders:
        raise ConfigError("design: names no fit; name one folder with study.toml for each dopant")
    return [Path(one) for one in folders]


def _base(folders: tuple[str | Path, ...]) -> Path:
    return _folder(_paths(folders)[0])


def _folder(path: Path) -> Path:
    """Folder of a fit, or of the file in it that was named."""
    return path if is_dir(path) else path.parent
