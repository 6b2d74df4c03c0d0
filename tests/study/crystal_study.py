"""Two crystals with real molecular dynamics, as a graph; as a program, a driver that a test can kill."""

import sys
from importlib.resources import files
from pathlib import Path

from dopantfit.structures import load_host
from dopantfit.study.conduction import TransportAnalysis, transport
from dopantfit.study.config import Engine
from dopantfit.study.crystals import CrystalBuild, build_crystal
from dopantfit.study.dynamics import Continuation, Equilibration, Production, conduct, equilibrate, go_on
from dopantfit.workflow.driver import run_graph
from dopantfit.workflow.graph import Graph
from dopantfit.workflow.pool import local_pool
from dopantfit.workflow.typed import TypedTask
from dopantfit.workflow.work import Resources

POTENTIAL = {"potential": Path(str(files("dopantfit.potential").joinpath("library", "latp-mg-2022.toml")))}
ENGINE = Engine(timestep=0.0004, kspace="pppm 1e-4", frame_interval=0.02, pressure=1.0)


def crystal_graph() -> Graph:
    """C_ref of one cell: built, equilibrated, run, and its transport."""
    build = TypedTask(
        "build",
        "crystals",
        build_crystal,
        CrystalBuild(host=load_host(), edge=1, x=0.25, dopant="Mg", seed=3),
        POTENTIAL,
    )
    relax = Equilibration(engine=ENGINE, temperature=300.0, duration=0.24, seed=4, structure=build.output)
    npt = TypedTask("npt", "crystals", equilibrate, relax, POTENTIAL)
    run = Production(engine=ENGINE, temperature=700.0, heating=0.04, duration=0.4, seed=5, structure=npt.output)
    nvt = TypedTask("nvt", "crystals", conduct, run, POTENTIAL, 0.44, "ps")
    more = Continuation(engine=ENGINE, temperature=700.0, duration=0.2, seed=6, before=nvt.output)
    later = TypedTask("nvt.2", "crystals", go_on, more, POTENTIAL, 0.2, "ps")
    segments = ((nvt.output, later.output),)
    analysis = TransportAnalysis(temperature=700.0, dopant="Mg", centre="P", runs=segments, crystal=build.output)
    jobs = (build, npt, nvt, later, TypedTask("transport", "crystals", transport, analysis, POTENTIAL))
    return Graph(job.task() for job in jobs)


if __name__ == "__main__":
    run_graph(
        crystal_graph(),
        Path(sys.argv[1]),
        local_pool(1),
        Resources(),
        lambda event: print(event.kind, event.task.name, flush=True),
    )
