"""What a new dopant is asked to be, checked against the host before anything is made."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols

from dopantfit.errors import ConfigError
from dopantfit.potential import Potential, library_names
from dopantfit.structures import Host, Substitution, labels_of, load_host, substituted
from dopantfit.structures.hosts import check_potential
from dopantfit.structures.prototypes import Crystal


@dataclass(frozen=True)
class DopedCell:
    """A doped cell of the host.

    name: of what is made from it. primitive: the primitive cell of the crystal, else the conventional one.
    substitutions: in the order in which they are made. labels: of its ions.
    """

    name: str
    primitive: bool
    substitutions: tuple[Substitution, ...]
    labels: tuple[str, ...]

    @property
    def ions(self) -> int:
        """How many it has."""
        return len(self.labels)

    @property
    def is_mixed(self) -> bool:
        """Whether it holds the host's own partner beside the dopant."""
        return len(self.substitutions) > 1


@dataclass(frozen=True)
class DopantRequest:
    """A dopant, the ion of the host that it is most like, and where its files go.

    host_name: of the library, or the path of a file. potential_name: likewise, of the host's force field.
    structure: file with the dopant's simple compound, None where it is to be found or made.
    """

    dopant: str
    charge: int
    like: str
    host_name: str
    host: Host
    potential_name: str
    potential: Potential
    structure: Path | None
    root: Path

    @property
    def replaced(self) -> tuple[str, ...]:
        """Ions of the host whose places it takes."""
        return self.host.places_of(self.charge)

    @property
    def site(self) -> str:
        """The ion of the undoped crystal that it replaces in the reference cells."""
        return self.host.site_of(self.charge)

    @property
    def exchangeable(self) -> tuple[str, ...]:
        """Cations of the host that it may change places with; of a framework one, the mobile ion too."""
        return tuple(dict.fromkeys((*self.replaced, self.host.mobile)))

    @cached_property
    def cells(self) -> tuple[DopedCell, ...]:
        """The doped cells that the fit needs: alone and beside the host's own partner, primitive and conventional.

        Raises ConfigError when the mobile ions cannot balance the dopant's charge in at least two of them.
        """
        partner = self.host.substitution.partner
        wanted = [
            ("one", True, self._changes(1)),
            (f"one-{partner}", True, self._changes(1, partners=1)),
            ("two", True, self._changes(2)),
            (f"large-{partner}", False, self._changes(3, partners=3)),
        ]
        found, problems = [], []
        for one in wanted:
            try:
                found.append(self._cell(*one))
            except ConfigError as problem:
                problems.append(str(problem))
        if len([cell for cell in found if cell.primitive]) < 2 or len(found) < 3:
            raise ConfigError(
                f"{self.dopant}{self.charge:+d} on the sites of {self.site} in {self.host.name}: {problems[0]}; "
                "mend --charge, or --like"
            )
        return tuple(found)

    @cached_property
    def unseen_cell(self) -> DopedCell | None:
        """A primitive cell of a composition that `cells` has not; None where its charge cannot be balanced."""
        try:
            return self._cell(f"two-{self.host.substitution.partner}", True, self._changes(2, partners=1))
        except ConfigError:
            return None

    def _changes(self, dopants: int, partners: int = 0) -> tuple[Substitution, ...]:
        """So many dopants, and partners of the host before them."""
        own = Substitution(self.site, self.dopant, self.charge, dopants)
        return (self.host.partners(partners), own) if partners else (own,)

    def _cell(self, name: str, primitive: bool, changes: tuple[Substitution, ...]) -> DopedCell:
        """A doped cell; ConfigError where its charge cannot be balanced."""
        crystal = self.host.conventional.primitive() if primitive else self.host.conventional
        ions = substituted(crystal, changes, np.random.default_rng(1))
        return DopedCell(name, primitive, changes, tuple(labels_of(ions)))

    @property
    def crystal(self) -> Crystal:
        """The host's conventional cell."""
        return self.host.conventional


def make_request(
    dopant: str,
    charge: int,
    like: str,
    host: str,
    potential: str | None,
    structure: str | Path | None,
    root: str | Path,
) -> DopantRequest:
    """Return what `new_dopant.new` is asked for; ConfigError, one line, for what no files can be made of."""
    known = load_host(host)
    if dopant not in chemical_symbols[1:]:
        raise ConfigError(f"{dopant!r} is no chemical element; give one as in Ga")
    if dopant in known.charges:
        raise ConfigError(f"{dopant} is an ion of the host {known.name}; name another dopant, or another --host")
    cations = [label for label, own in known.charges.items() if own > 0 and label != known.polyanion.centre]
    if like not in cations:
        raise ConfigError(
            f"--like {like}: the host {known.name} has no cation {like}; name one of {', '.join(cations)}"
        )
    if charge <= 0:
        raise ConfigError(f"--charge {charge}: a dopant takes the place of a cation; give a positive charge")
    name = potential or _potential_of(known)
    loaded = Potential.load(name)
    check_potential(known, loaded)
    if loaded.charge_scale is None:
        raise ConfigError(f"potential {loaded.name}: has no charge per formal charge, and a dopant needs one")
    if dopant in loaded.species:
        raise ConfigError(f"potential {loaded.name} has {dopant} already; name that of the host alone with --potential")
    path = None if structure is None else Path(structure)
    return DopantRequest(dopant, charge, like, host, known, name, loaded, path, Path(root))


def _potential_of(host: Host) -> str:
    """Name of the published potential with the ions of a host and no others; ConfigError where there is none."""
    for name in library_names():
        if set(Potential.load(name).species) == set(host.charges):
            return name
    raise ConfigError(
        f"host {host.name}: the library has no potential with just {', '.join(host.charges)}; name that of the host "
        "with --potential"
    )
