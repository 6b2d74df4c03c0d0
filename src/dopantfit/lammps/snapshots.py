"""Snapshots of a short molecular dynamics run: starting configurations for reference calculations."""

from pathlib import Path

from ase import Atoms

from dopantfit.errors import ConfigError, EngineError
from dopantfit.lammps import recipes
from dopantfit.lammps.launcher import Launcher
from dopantfit.lammps.outputs import read_dump
from dopantfit.lammps.settings import LIGHT_SHELLS, Dynamics
from dopantfit.potential import Potential


def md_snapshots(
    atoms: Atoms,
    potential: Potential,
    temperature: float,
    duration_ps: float,
    n_snapshots: int,
    seed: int,
    folder: Path,
    launcher: Launcher | None = None,
) -> list[Atoms]:
    """Take equidistant configurations (ions only) from a run at constant volume, the last one at its end.

    temperature: [K]. duration_ps: length of the run, of which the first 1/n_snapshots is equilibration.
    seed: of the initial velocities; the same seed, structure and rank count give the same snapshots.
    folder: keeps input, log and trajectory of the run.
    Positions are unwrapped, cell and frame those of `atoms`; ``info["step"]`` is the time step [0.4 fs].
    Raises ConfigError for settings that give no snapshots, EngineError when the run fails.
    """
    if n_snapshots < 1:
        raise ConfigError(f"{n_snapshots} snapshots were asked for; ask for at least one")
    settings = Dynamics(temperature, duration_ps, seed, **LIGHT_SHELLS)
    every = settings.steps // n_snapshots
    if every < 1:
        raise ConfigError(
            f"{n_snapshots} snapshots do not fit into {settings.steps} steps of {settings.timestep} ps; run longer"
        )
    settings = Dynamics(temperature, every * n_snapshots * settings.timestep, seed, dump_every=every, **LIGHT_SHELLS)
    folder = Path(folder)
    ions = recipes.prepare(folder, atoms, potential)
    script = folder / "md.in"
    script.write_text(recipes.snapshots(ions, settings), encoding="ascii")
    launcher = launcher or Launcher(ranks=1)
    launcher.run(script, launcher.ranks_for(len(atoms)))
    frames = read_dump(folder / recipes.DUMP_FILE, ions)[1:]
    if len(frames) != n_snapshots:
        raise EngineError(
            f"{folder}: the run left {len(frames)} snapshots instead of {n_snapshots}; see {script.with_suffix('.log')}"
        )
    return frames
