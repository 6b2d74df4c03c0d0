"""How thorough a validation is: sizes and durations by preset, from minutes to the published work's 2 ns."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dopantfit.presets import check_preset


@dataclass(frozen=True, slots=True)
class GatePreset:
    """Sizes and durations of one preset.

    parity_frames: reference frames of every composition on which the two engines are compared.
    compound_edge: shortest edge of the phosphate's supercell [Å]; compound_ps: its run at 300 K [ps].
    arrangements: random distributions of the substituted ions over which the host's cell is averaged.
    host_repeats: cells of the host along its vectors; expansion_ps: its runs at two temperatures [ps].
    hot_repeats, hot_ps, drift_ps: cell, run and constant-energy stretch [ps] of the stability gate.
    mobility_repeats, mobility_ps, replicas: cell, run [ps] and independent runs of the ion dynamics.
    """

    parity_frames: int
    compound_edge: float
    compound_ps: float
    arrangements: int
    host_repeats: tuple[int, int, int]
    expansion_ps: float
    hot_repeats: tuple[int, int, int]
    hot_ps: float
    drift_ps: float
    mobility_repeats: tuple[int, int, int]
    mobility_ps: float
    replicas: int


_NIGHT = GatePreset(3, 14.0, 20.0, 4, (2, 2, 1), 20.0, (2, 2, 1), 20.0, 5.0, (2, 2, 1), 150.0, 1)
#: By thoroughness. quick: under 15 minutes on two cores. night: about an hour on two, which is enough for a desk too.
#: paper: three of the published work's 2 ns runs of the ion dynamics, for a machine with many cores.
GATE_PRESETS: Mapping[str, GatePreset] = MappingProxyType(
    {
        "quick": GatePreset(1, 9.5, 4.0, 2, (1, 1, 1), 6.0, (1, 1, 1), 10.0, 3.0, (2, 2, 1), 25.0, 1),
        "night": _NIGHT,
        "desk": _NIGHT,
        "paper": GatePreset(10, 19.0, 100.0, 8, (2, 2, 1), 100.0, (3, 3, 1), 100.0, 20.0, (3, 3, 1), 2000.0, 3),
    }
)
#: What presets were called in earlier versions.
EARLIER: Mapping[str, str] = MappingProxyType({"standard": "night"})


def gate_preset(name: str) -> GatePreset:
    """Return the preset of that name, today's or an earlier one; ConfigError naming those there are."""
    name = EARLIER.get(name, name)
    check_preset(name, "the preset of the gates", GATE_PRESETS)
    return GATE_PRESETS[name]
