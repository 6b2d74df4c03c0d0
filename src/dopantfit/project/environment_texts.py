"""Plans of where a dopant lives beside the framework of a crystal near rest: exchanged, in channels, in glasses."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from dopantfit.errors import ConfigError
from dopantfit.project.plan_texts import PlanNames, crystal_start, plan_head
from dopantfit.project.request import DopantRequest, DopedCell
from dopantfit.reference.environments import in_channel
from dopantfit.strict_toml import toml_value
from dopantfit.structures import Substitution, labels_of, substituted

#: Of a relaxation with an exchange, at most. With 70 a few soft ions were still on their way.
_STEPS = 120
#: Where it ends [eV/Å]: ions that 6 eV/Å² hold are then worth 1 meV each, where an exchange counts to 0.05 eV.
_TOLERANCE = 0.1
#: Polyanions of a small glass, at least.
_UNITS = 6
#: Cooler than the melt of a boundary: a small cell loses a polyanion above this [K].
_MELT = 1300.0
#: Dopants and temperature [K] of each glass; the last is held out.
_GLASSES = ((1, 300.0), (2, 600.0), (1, 600.0))


@dataclass(frozen=True)
class ExchangeItem:
    """A doped cell whose dopant changes places with each of the partners."""

    name: str
    cell: DopedCell
    partners: tuple[str, ...]
    is_held_out: bool


def exchange_items(request: DopantRequest) -> tuple[ExchangeItem, ...]:
    """Primitive cells with the cations that the dopant may change places with; the last composition is held out.

    An arrangement of a fitted composition may relax into one of its others, and would judge nothing.
    """
    cells = [cell for cell in request.cells if cell.primitive]
    found: list[tuple[str, DopedCell, tuple[str, ...]]] = []
    for cell in (*cells[:-1], request.unseen_cell or cells[-1]):
        partners = tuple(ion for ion in request.exchangeable if ion in cell.labels)
        if partners:  # a dopant may have taken all their places
            found.append((f"exchange-{cell.name}", cell, partners))
    return tuple(ExchangeItem(*one, is_held_out=one is found[-1] and len(found) > 1) for one in found)


def exchange_plan(request: DopantRequest, name: str, names: PlanNames) -> str:
    """``plan.toml`` of the exchange configurations."""
    partners = ", ".join(dict.fromkeys(ion for item in exchange_items(request) for ion in item.partners))
    items = "\n".join(
        f"""\
# {item.cell.ions} ions{", held out of the fit" if item.is_held_out else ""}.
[[configurations]]
kind = "exchange"
name = {toml_value(item.name)}
start = {crystal_start(item.cell, names.host)}
dopant = {toml_value(request.dopant)}
partners = {toml_value(item.partners)}
pairs = 1
steps = {_STEPS}  # at most
force_tolerance = {_TOLERANCE}  # eV/Å
seed = {seed}
"""
        for seed, item in enumerate(exchange_items(request), 401)
    )
    return f"""\
# {request.dopant} exchanged with {partners} of {request.host.formula}, relaxed in the fixed cell: where it wants to be.
# Differences of relaxed energies decide that, and no force shows them.
{plan_head(name, f"Relaxed exchange energies of {request.dopant} with {partners} in {request.host.name}", names.labels)}
{items}"""


def surroundings_plan(request: DopantRequest, name: str, names: PlanNames) -> str:
    """``plan.toml`` of glasses, channels and a hot crystal."""
    purpose = f"{request.dopant} in glasses, on sites of {request.host.mobile} and in a hot crystal"
    items = "\n".join([*_glass_items(request, names), *_channel_items(request, names), _hot_item(request, names)])
    return f"""\
# {request.dopant} in surroundings that crystals near rest do not have, made with the start potential.
# Cells of a built boundary are a further kind ("boundary"), once there is a study.
{plan_head(name, purpose, names.labels)}
{items}"""


def held_out_glass(request: DopantRequest) -> str | None:
    """Name of the glass that is held out; None where no neutral glass can be made."""
    numbers = [number for number, _, _, _ in _glasses(request)]
    return f"glass-{numbers[-1]}" if len(numbers) > 1 else None


def judges_plan(request: DopantRequest, name: str, names: PlanNames) -> str:
    """``plan.toml`` of the few frames of DFT that the labels of a calculator are held against."""
    cell = next((cell for cell in request.cells if cell.is_mixed), request.cells[0])
    glass = "".join(_glass_text(names, *one, snapshots=1, seed=21) for one in _glasses(request)[:1])
    return f"""\
# What the labels of {request.dopant} are held against: a few frames of DFT (`dopantfit reference compare`).
{plan_head(name, f"What labels of {request.dopant} in {request.host.name} are held against", names.labels)}
{_run_text("crystal", cell, names, temperature=300.0, snapshots=2, seed=22)}
{glass}"""


def _glasses(request: DopantRequest) -> list[tuple[int, int, dict[str, int], float]]:
    """Number, polyanions, cations and temperature of every glass that is neutral."""
    found = []
    for number, (dopants, kelvin) in enumerate(_GLASSES, 1):
        units, cations = glass_of(request, dopants)
        if cations is not None:
            found.append((number, units, cations, kelvin))
    return found


def glass_of(request: DopantRequest, dopants: int) -> tuple[int, dict[str, int] | None]:
    """Polyanions and cations of a small glass of the host with so many dopants; None where it cannot be neutral.

    The host's amorphous composition, dopants in place of the ion that they replace, and mobile ions for the charge.
    """
    host = request.host
    per_unit = host.polyanions_per_unit
    formulas = -(-_UNITS // per_unit)
    cations = {ion: round(formulas * count) for ion, count in host.amorphous.cations.items() if ion != host.mobile}
    if request.site in cations:
        cations[request.site] -= dopants
    cations[request.dopant] = dopants
    charges = host.charges | {request.dopant: request.charge}
    missing = -formulas * per_unit * host.polyanion_charge - sum(charges[ion] * n for ion, n in cations.items())
    mobile, rest = divmod(missing, charges[host.mobile])
    cations = {ion: count for ion, count in cations.items() if count} | {host.mobile: mobile}
    return formulas * per_unit, None if rest or min(cations.values()) < 1 else cations


def _glass_items(request: DopantRequest, names: PlanNames) -> Iterator[str]:
    glasses = _glasses(request)
    if glasses:
        yield f"# Melted at {_MELT:g} K and cooled; the last is held out of the fit."
    for one in glasses:
        yield _glass_text(names, *one, snapshots=4, seed=10 + one[0])


def _glass_text(
    names: PlanNames, number: int, units: int, cations: dict[str, int], kelvin: float, *, snapshots: int, seed: int
) -> str:
    return f"""\
[[configurations]]
kind = "glass"
name = "glass-{number}"
host = {toml_value(names.host)}
units = {units}
cations = {toml_value(cations)}
potential = {toml_value(names.potential)}
melt = {_MELT!r}
temperature = {kelvin!r}
duration = 2.0  # ps, of each leg
snapshots = {snapshots}
seed = {seed}
"""


def _channel_items(request: DopantRequest, names: PlanNames) -> Iterator[str]:
    """The dopant on a mobile ion's place, in the cell with the fewest partners that has enough mobile ions."""
    host = request.host
    if request.charge <= host.charges[host.mobile]:
        return  # those places are its own
    for count in range(1, 5):
        changes, rng = (host.partners(count),), np.random.default_rng(1)
        try:
            ions = substituted(host.conventional.primitive(), changes, rng)
            found = in_channel(ions, request.dopant, request.charge, host.mobile, host.charges[host.mobile], rng)
        except ConfigError:
            continue
        if host.mobile in labels_of(found):
            yield _channel_text(request, changes[0], names)
            return


def _channel_text(request: DopantRequest, partners: Substitution, names: PlanNames) -> str:
    host = request.host
    start = crystal_start(DopedCell("channel", True, (partners,), ()), names.host)
    return f"""\
# {request.dopant} on a place of {host.mobile}, others gone for its charge.
[[configurations]]
kind = "channel"
name = "channel"
start = {start}
dopant = {toml_value(request.dopant)}
formal_charge = {request.charge}
mobile = {toml_value(host.mobile)}
mobile_charge = {host.charges[host.mobile]}
configurations = 4
potential = {toml_value(names.potential)}
temperature = 300.0
duration = 1.0
seed = 3
"""


def _hot_item(request: DopantRequest, names: PlanNames) -> str:
    cell = next((cell for cell in request.cells if cell.is_mixed), request.cells[0])
    return _run_text("md1000", cell, names, temperature=1000.0, snapshots=4, seed=5, strain=0.01)


def _run_text(
    name: str,
    cell: DopedCell,
    names: PlanNames,
    *,
    temperature: float,
    snapshots: int,
    seed: int,
    strain: float = 0.0,
) -> str:
    return f"""\
# {cell.ions} ions.
[[configurations]]
kind = "md"
name = {toml_value(name)}
start = {crystal_start(cell, names.host, strain)}
potential = {toml_value(names.potential)}
temperature = {temperature!r}
duration = 2.0
snapshots = {snapshots}
seed = {seed}
"""
