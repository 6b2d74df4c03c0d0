"""Names of a study's tasks, which are also the paths of their folders inside its run folder."""

from dopantfit.study.systems import Kind, System

BOUNDARY, VERDICT = "boundary", "verdict"


def of_quench(name: str, quench: int) -> str:
    """Where what is made of a quench lies: that of the first as if it were the only one."""
    return name if quench == 1 else f"quench-{quench}/{name}"


def doped(system: System, realisation: int, quench: int = 1) -> str:
    """One realisation of a GB_i before any exchange."""
    return of_quench(f"doping/{system.name}/{realisation}", quench)


def swaps(system: System, quench: int = 1) -> str:
    """The exchange of a GB_i."""
    return of_quench(f"swaps/{system.name}", quench)


def spectrum(system: System, quench: int = 1) -> str:
    """The spectrum of exchange energies of a GB_i."""
    return of_quench(f"spectrum/{system.name}", quench)


def is_spectrum(task: str, system: System) -> bool:
    """Whether a task is the spectrum of a GB_i, of whichever quench."""
    return f"/{task}".endswith(f"/{spectrum(system)}")


def bleeding(system: System, quench: int = 1) -> str:
    """What bled of a GB_i."""
    return of_quench(f"bleeding/{system.name}", quench)


def runs(system: System) -> str:
    """Folder of the runs of one arrangement of a crystal, the first as if it were the only one, or cell of a glass."""
    if system.kind is Kind.CRYSTAL:
        return f"crystals/{system.name}" if system.cell == 1 else f"crystals/{system.name}/{system.cell}"
    return f"amorphous/{system.name}/{system.cell}"


def runs_with(potential: str, system: System) -> str:
    """Folder of the runs of a system with another potential of the fit."""
    return f"ensemble/{potential}/{system.name}"


def equilibrated(system: System) -> str:
    """The equilibration of a system."""
    return f"{runs(system)}/equilibrate"


def item(name: str) -> str:
    """One of the results that a study reports."""
    return f"items/{name}"
