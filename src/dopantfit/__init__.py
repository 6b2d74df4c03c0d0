"""From DFT frames of a dopant to a verdict on doping a solid electrolyte's grain boundary with it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dopantfit.energy import ShellModel
    from dopantfit.potential import Potential

__all__ = ["Potential", "ShellModel"]


def __getattr__(name: str) -> Any:
    """Loads the public names when they are first asked for, so that the command line starts at once."""
    if name == "Potential":
        from dopantfit.potential import Potential

        return Potential
    if name == "ShellModel":
        from dopantfit.energy import ShellModel

        return ShellModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
