"""Names of a study's tasks, which are also the paths of their folders inside its run folder."""

from dopantfit.study.systems import Kind, System

BOUNDARY, VERDICT = "boundary", "verdict"


def doped(system: System, realisation: int) -> str:
    """One realisation of a GB_i before any exchange."""
    return f"doping/{system.name}/{realisation}"


def swaps(system: System) -> str:
    """The exchange of a GB_i."""
    return f"swaps/{system.name}"


def bleeding(system: System) -> str:
    """What bled of a GB_i."""
    return f"bleeding/{system.name}"


def runs(system: System) -> str:
    """Folder of the runs of a crystal, or of one cell of a glass."""
    return f"crystals/{system.name}" if system.kind is Kind.CRYSTAL else f"amorphous/{system.name}/{system.cell}"


def runs_with(potential: str, system: System) -> str:
    """Folder of the runs of a system with another potential of the fit."""
    return f"ensemble/{potential}/{system.name}"


def equilibrated(system: System) -> str:
    """The equilibration of a system."""
    return f"{runs(system)}/equilibrate"


def item(name: str) -> str:
    """One of the results that a study reports."""
    return f"items/{name}"
