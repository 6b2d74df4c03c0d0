"""Where and how programs run; nothing here may change a result beyond round-off."""

import shlex
from dataclasses import dataclass

from dopantfit.errors import ConfigError

#: How the engine is started unless a site says otherwise.
LAUNCHER = "mpiexec -n {ranks} lmp"


@dataclass(frozen=True)
class Resources:
    """What a task may use.

    launcher: command that starts the engine, in which ``{ranks}`` stands for the number of MPI ranks. ranks: of a task.
    """

    launcher: str = LAUNCHER
    ranks: int = 1


def launch_words(template: str, ranks: int) -> list[str]:
    """Return the words of a launcher for so many ranks; ConfigError, with an example, where it cannot be read."""
    try:
        words = shlex.split(template.format(ranks=ranks))
    except (KeyError, IndexError, ValueError, AttributeError) as problem:
        raise ConfigError(
            f"launcher {template!r} cannot be read ({problem}); the only placeholder is {{ranks}}, e.g. {LAUNCHER!r}"
        ) from None
    if not words:
        raise ConfigError(f"the launcher is empty; expected e.g. {LAUNCHER!r}")
    return words
