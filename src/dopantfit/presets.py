"""Names of how much is computed, the same for gates, boundaries and studies; each room says what a name means there."""

from collections.abc import Iterable

from dopantfit.errors import ConfigError

#: Minutes on two cores; a night on a workstation; some days there; the published work's sizes.
PRESETS = ("quick", "night", "desk", "paper")


def check_preset(name: str, where: str, known: Iterable[str] = PRESETS) -> None:
    """Raise ConfigError naming where it stands for a name that is not one of the known presets."""
    if name not in known:
        raise ConfigError(f"{where} = {name!r} is not one of {', '.join(known)}")
