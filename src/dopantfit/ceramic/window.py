"""The electrochemical window of a composition: where it takes up the mobile ion, and where it gives it away.

In contact with an electrode a composition falls into the phases of lowest grand potential, E - μN, at the chemical
potential μ of the mobile ion that the electrode sets (Ong, Wang, Kang & Ceder, Chem. Mater. 20, 1798 (2008); Zhu, He &
Mo, ACS Appl. Mater. Interfaces 7, 23685 (2015)). The potential against the metal is φ = -(μ - μ_metal)/z e. The
composition is reduced below the potential under which its phases hold more of the mobile ion than it does, and oxidised
above the one over which they hold less. Entropy and interfaces that only kinetics protect are not in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pymatgen.analysis.phase_diagram import GrandPotentialPhaseDiagram, PhaseDiagram
from pymatgen.core import Composition, Element

from dopantfit.errors import ConfigError

#: Difference of contents that counts, in ions per formula as it was given: above the rounding of decompositions.
SAME = 1e-4
#: Width of the last step as it is drawn, and where phases are looked at beyond it [V].
_BEYOND = 1.0
#: Narrowest step [V]; what is narrower are two names of one potential.
_NARROWEST = 1e-6


@dataclass(frozen=True)
class Stage:
    """Phases between two potentials [V]. content: mobile ions in them, per formula as it was given."""

    low: float
    high: float
    content: float
    phases: tuple[str, ...]


@dataclass(frozen=True)
class Window:
    """The window of a composition [V against the metal].

    reduced_below: None where it withstands the metal itself. oxidised_above: None where no potential takes ions away.
    content: mobile ions of the composition. stages: from the metal on, rising.
    """

    name: str
    formula: str
    content: float
    reduced_below: float | None
    oxidised_above: float | None
    stages: tuple[Stage, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {
            "name": self.name,
            "formula": self.formula,
            "mobile_ions": self.content,
            "reduced_below_V": self.reduced_below,
            "oxidised_above_V": self.oxidised_above,
            "stages": [
                {"low_V": one.low, "high_V": one.high, "mobile_ions": one.content, "phases": list(one.phases)}
                for one in self.stages
            ],
        }


def windows_of(
    entries: Sequence[Any], compositions: Mapping[str, Mapping[str, float]], mobile: str, charge: int, source: str
) -> tuple[Window, ...]:
    """Return the window of every composition, by name, from computed entries.

    compositions: ions by element. mobile: element that the electrode gives and takes, of formal charge `charge`.
    source: what errors call the entries. Raises ConfigError where entries lack an element, or a composition is empty.
    """
    check_elements([one.composition for one in entries], compositions, mobile, source)
    diagrams: dict[frozenset[str], PhaseDiagram] = {}
    found = []
    for name, amounts in compositions.items():
        composition = _composition(amounts)
        elements = _elements(composition, mobile)
        if elements not in diagrams:
            within = [one for one in entries if {e.symbol for e in one.composition.elements} <= elements]
            diagrams[elements] = PhaseDiagram(within)
        found.append(_window(diagrams[elements], name, composition, mobile, charge))
    return tuple(found)


def check_elements(
    phases: Sequence[Composition], compositions: Mapping[str, Mapping[str, float]], mobile: str, source: str
) -> None:
    """Raise ConfigError where phases lack an element of a composition itself, or a composition is the mobile ion alone.

    source: what errors call the phases.
    """
    pure = {one.elements[0].symbol for one in phases if one.is_element}
    lacking: set[str] = set()
    for name, amounts in compositions.items():
        elements = _elements(_composition(amounts), mobile)
        if len(elements) < 2:
            raise ConfigError(f"composition {name}: holds nothing but {mobile}; name what it is in")
        lacking |= elements - pure
    if lacking:
        raise ConfigError(
            f"{source}: has no entry of the element{'s' if len(lacking) > 1 else ''} {', '.join(sorted(lacking))}; add "
            "one of each element of the compositions itself, energies all of one method"
        )


def _composition(amounts: Mapping[str, float]) -> Composition:
    return Composition({element: amount for element, amount in amounts.items() if amount})


def _elements(composition: Composition, mobile: str) -> frozenset[str]:
    return frozenset(one.symbol for one in composition.elements) | {mobile}


def _window(diagram: PhaseDiagram, name: str, composition: Composition, mobile: str, charge: int) -> Window:
    content = float(composition[mobile])
    stages = _stages(diagram, composition, Element(mobile), charge)
    above = [one.high for one in stages if one.content > content + SAME]
    below = [one.low for one in stages if one.content < content - SAME]
    return Window(name, composition.formula, content, max(above, default=None), min(below, default=None), stages)


def _stages(diagram: PhaseDiagram, composition: Composition, mobile: Element, charge: int) -> tuple[Stage, ...]:
    """What the composition falls into from the potential of the metal on; neighbours of one content are one."""
    metal = float(diagram.el_refs[mobile].energy_per_atom)
    turns = sorted(-(float(one) - metal) / charge for one in diagram.get_transition_chempots(mobile))
    ends = [0.0]
    for turn in turns:
        if turn - ends[-1] > _NARROWEST:
            ends.append(turn)
    ends.append(ends[-1] + _BEYOND)
    stages: list[Stage] = []
    for low, high in pairwise(ends):
        held, phases = _phases(diagram, composition, mobile, metal - charge * 0.5 * (low + high))
        if stages and abs(stages[-1].content - held) < SAME and stages[-1].phases == phases:
            low = stages.pop().low
        stages.append(Stage(low, high, held, phases))
    return tuple(stages)


def _phases(
    diagram: PhaseDiagram, composition: Composition, mobile: Element, potential: float
) -> tuple[float, tuple[str, ...]]:
    """Mobile ions, and the formulas of the phases, at a chemical potential of the mobile ion [eV]."""
    rest = Composition({element: amount for element, amount in composition.items() if element != mobile})
    open_to_it = GrandPotentialPhaseDiagram(diagram.all_entries, {mobile: potential})
    held, phases = 0.0, []
    for entry, part in open_to_it.get_decomposition(rest).items():
        count = part * rest.num_atoms / entry.composition.num_atoms
        held += count * float(entry.original_comp[mobile])
        phases.append(entry.original_comp.reduced_formula)
    return held, tuple(sorted(phases))
