"""Hosts by name from the library, or by path from a file that people write."""

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from ase.neighborlist import neighbor_list

from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.strict_toml import Table, parse_strict, parse_toml, read_text
from dopantfit.structures.cells import labels_of, total_formal_charge
from dopantfit.structures.convert import read_cif
from dopantfit.structures.hosts.model import Host
from dopantfit.structures.prototypes import Prototype
from dopantfit.structures.symmetry import centring, orbit

#: What files that name no host are about.
DEFAULT_HOST = "latp"


def host_names() -> tuple[str, ...]:
    """Return the names of the hosts that ship with the package."""
    room = files("dopantfit.structures").joinpath("hosts")
    return tuple(sorted(one.name.removesuffix(".toml") for one in room.iterdir() if one.name.endswith(".toml")))


def load_host(source: str | os.PathLike[str] = DEFAULT_HOST, folder: str | os.PathLike[str] = ".") -> Host:
    """Return a host of the library by its name, or that in a TOML file, relative to `folder`.

    Raises ConfigError naming the file and what contradicts itself in it.
    """
    if str(source) in host_names():
        return _from_library(str(source))
    path = Path(folder) / source
    if not path.is_file():
        raise ConfigError(
            f"host {str(source)!r}: there is no file {path}, and the library holds {', '.join(host_names())}; "
            "name one of them, or a TOML file"
        )
    return parse_host(read_text(path), str(path), path.parent)


def parse_host(text: str, source: str, folder: str | os.PathLike[str] = ".") -> Host:
    """Return the host written in TOML; ConfigError naming `source` and the contradiction.

    folder: what the name of a CIF is relative to.
    """
    host = parse_strict(Host, _with_prototype(parse_toml(text, source), Path(folder), source), source)
    try:
        problem = next(crystal_contradictions(host), None)
    except ConfigError as error:
        problem = str(error)
    if problem:
        raise ConfigError(f"{source}: {problem}")
    return host


def with_host(
    content: Mapping[str, Any], folder: str | os.PathLike[str], default: Host | None = None
) -> dict[str, Any]:
    """Return a file's content with the host that it names in full; where it names none, the default one (LATP).

    So that what is written down of it, and sent to other processes, does not depend on files any more.
    """
    named = content.get("host", DEFAULT_HOST)
    if not isinstance(named, str):
        return dict(content)
    host = default if default is not None and "host" not in content else load_host(named, folder)
    return {**content, "host": host.model_dump(mode="json")}


def check_potential(host: Host, potential: Potential) -> None:
    """Raise ConfigError when a potential lacks an ion of the host, or has another formal charge for it."""
    for label, charge in host.charges.items():
        ion = potential.species.get(label)
        if ion is None:
            raise ConfigError(
                f"potential {potential.name}: has no {label}, an ion of the host {host.name}; "
                "take another potential, or name another host"
            )
        if ion.formal_charge != charge:
            raise ConfigError(
                f"potential {potential.name}: {label} has the formal charge {ion.formal_charge:+d}, in the host "
                f"{host.name} {charge:+d}; mend one of the two"
            )


def _with_prototype(content: dict[str, Any], folder: Path, source: str) -> dict[str, Any]:
    """Return a host's content with the crystal of the CIF that it names as a prototype of its own."""
    crystal = content.get("crystal")
    if not isinstance(crystal, dict) or not isinstance(crystal.get("structure"), str):
        return content
    if "prototype" in crystal:
        raise ConfigError(f"{source}: crystal: give either a prototype or a structure")
    rest = {key: value for key, value in crystal.items() if key not in ("structure", "empty_sites")}
    sites = parse_strict(_EmptySites, {"empty_sites": crystal.get("empty_sites", [])}, f"{source}: crystal")
    prototype = prototype_of(folder / crystal["structure"], sites.empty_sites)
    return {**content, "crystal": {**rest, "prototype": prototype.model_dump(mode="json", exclude_none=True)}}


class _EmptySites(Table):
    empty_sites: tuple[tuple[float, float, float], ...]


def prototype_of(path: Path, empty_sites: Sequence[tuple[float, float, float]]) -> Prototype:
    """Return the crystal of a CIF in the cell of the file, every site written out.

    empty_sites: one fractional position of each orbit of empty sites in that cell.
    Raises ConfigError when the file is no ordered crystal.
    """
    cell = read_cif(path)
    a, b, c, alpha, beta, gamma = (float(x) for x in cell.cell.cellpar())
    positions = cell.get_scaled_positions().tolist()
    sites = [(label, *position) for label, position in zip(cell.get_chemical_symbols(), positions, strict=True)]
    empty = [image for position in empty_sites for image in orbit(cell, position)]
    content = {
        **{"spacegroup": 1, "centring": centring(cell), "a": a, "b": b, "c": c},
        **{"alpha": alpha, "beta": beta, "gamma": gamma, "sites": sites, "empty_sites": empty},
    }
    return parse_strict(Prototype, content, str(path))


@cache
def _from_library(name: str) -> Host:
    text = files("dopantfit.structures").joinpath("hosts", f"{name}.toml").read_text(encoding="utf-8")
    return parse_host(text, f"host {name}")


def crystal_contradictions(host: Host) -> Iterator[str]:
    """Yield what a host says of itself that its crystal does not show."""
    crystal, unit, rule = host.conventional, host.polyanion, host.substitution
    ions = crystal.ions
    labels = np.array(labels_of(ions))
    there = set(labels.tolist())
    for label in (host.mobile, rule.replaced, unit.centre, unit.ligand):
        if label not in there:
            yield f"crystal: holds no {label}, only {', '.join(sorted(there))}; mend one of the two"
    charge = total_formal_charge(ions, host.charges)
    if charge:
        yield f"crystal: its charges add up to {charge:+d} e, expected 0; mend charges or the crystal"
    first, second = neighbor_list("ij", ions, unit.reach)
    bonds = (labels[first] == unit.centre) & (labels[second] == unit.ligand)
    found = np.bincount(first[bonds], minlength=len(ions))[labels == unit.centre]
    if (found != unit.count).any():
        wrong = int(found[found != unit.count][0])
        yield f"polyanion: a {unit.centre} has {wrong} {unit.ligand} within {unit.reach} Å, expected {unit.count}"
    if host.mobile_per_partner() > 0 and not len(crystal.empty):
        yield f"crystal: has no empty_sites for the {host.mobile} that {rule.partner} brings; add them"
    most = host.formula_unit[rule.replaced]
    for where, x in (("grain.x", host.grain.x), ("hot.x", host.hot.x), ("mobility.x", host.mobility.x)):
        if x > most:
            yield f"{where} = {x!r} is more than the {most} {rule.replaced} of a formula unit; lower it"
    carried = sum(host.charges[label] * amount for label, amount in host.amorphous.cations.items())
    if abs(carried + host.polyanions_per_unit * host.polyanion_charge) > 1e-6:
        yield (
            f"amorphous.cations: {carried:+.6g} e beside {host.polyanions_per_unit} {unit.formula}, "
            f"expected {-host.polyanions_per_unit * host.polyanion_charge:+d}; change an amount"
        )
    if not host.amorphous.cations.get(host.mobile):
        yield f"amorphous.cations: there is no {host.mobile} to take up what rounding leaves; give it an amount"
