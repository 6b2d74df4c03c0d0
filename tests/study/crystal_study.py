"""Two crystals with real molecular dynamics, as a graph; as a program, a driver that a test can kill."""

import sys
from importlib.resources import files
from pathlib import Path

from dopantfit.workflow.driver import run_graph
from dopantfit.workflow.graph import Graph, Task
from dopantfit.workflow.pool import local_pool
from dopantfit.workflow.work import Resources

POTENTIAL = {"potential": Path(str(files("dopantfit.potential").joinpath("library", "latp-mg-2022.toml")))}
ENGINE = {"timestep": 0.0004, "kspace": "pppm 1e-4", "frame_interval": 0.02, "pressure": 1.0}
HERE = "dopantfit.study"


def crystal_graph() -> Graph:
    """C_ref of one cell: built, equilibrated, run, and its transport."""
    crystal = {"edge": 1, "x": 0.25, "dopant": "Mg", "seed": 3}
    npt = {"engine": ENGINE, "temperature": 300.0, "duration": 0.24, "seed": 4}
    nvt = {"engine": ENGINE, "temperature": 700.0, "heating": 0.04, "duration": 0.4, "seed": 5}
    transport = {"temperature": 700.0, "dopant": "Mg"}
    return Graph(
        [
            Task("build", "crystals", f"{HERE}.crystals:build_crystal", crystal, POTENTIAL),
            Task("npt", "crystals", f"{HERE}.dynamics:equilibrate", npt, POTENTIAL, {"structure": "build"}),
            Task("nvt", "crystals", f"{HERE}.dynamics:conduct", nvt, POTENTIAL, {"structure": "npt"}, 0.44, "ps"),
            Task(
                "transport",
                "crystals",
                f"{HERE}.conduction:transport",
                transport,
                POTENTIAL,
                {"build": "build", "run1": "nvt"},
            ),
        ]
    )


if __name__ == "__main__":
    run_graph(
        crystal_graph(),
        Path(sys.argv[1]),
        local_pool(1),
        Resources(),
        lambda event: print(event.kind, event.task.name, flush=True),
    )
