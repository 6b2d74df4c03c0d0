"""What is validated: a potential, the one it stands beside, the frames that it has not seen, and the crystals."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from dopantfit.errors import ConfigError
from dopantfit.fit.config import Dopant, FitConfig, load_config
from dopantfit.fit.data import Target, load_targets
from dopantfit.fit.record import POTENTIAL_FILE, RECORD_FILE
from dopantfit.fit.run import load_potential
from dopantfit.potential import Potential, library_names
from dopantfit.potential.files import locate
from dopantfit.structures import Host, Substitution, host, labels_of, substituted
from dopantfit.validate.levels import Level, level
from dopantfit.validate.settings import SETTINGS_FILE, Settings, load_settings, pair_of


@dataclass(frozen=True)
class Subject:
    """A potential to be validated, with everything that the gates need.

    file: ``fit.toml``. source: the potential's file or library name. own: whether it is the result of that fit.
    peer: the potential that the fit compares with, None where it is the subject itself or none was named.
    """

    file: Path
    config: FitConfig
    settings: Settings
    source: str
    own: bool
    potential: Potential
    peer: Potential | None
    level_name: str

    @property
    def level(self) -> Level:
        """Sizes and durations."""
        return level(self.level_name)

    @property
    def dopant(self) -> Dopant:
        """The dopant of the fit."""
        if self.config.dopant is None:
            raise ConfigError(f"{self.file}: names no [dopant]; the gates are about a dopant in a host, add it")
        return self.config.dopant

    @property
    def sha256(self) -> str:
        """Hash of the potential's file."""
        return potential_sha256(self.source)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Every frame of the fit's reference sets."""
        return load_targets(self.config, self.potential, self.file.parent, str(self.file))

    @cached_property
    def unseen(self) -> tuple[Target, ...]:
        """Frames that the potential was not fitted to: the held-out ones; for a published set all if none are.

        Raises ConfigError when the fit has seen them all.
        """
        trained = _trained_on(self.file.parent) if self.own else frozenset()
        found = tuple(one for one in self.targets if one.held_out and one.name not in trained)
        if found:
            return found
        if self.own:
            raise ConfigError(
                f"{self.file}: no frame is held out, so nothing shows what the fit is worth; name held_out_families"
            )
        return self.targets

    @cached_property
    def host(self) -> Host:
        """The crystal that is doped, one conventional cell."""
        return host(self.settings.host.prototype)

    @property
    def mobile(self) -> str:
        """Label of the host's mobile ion; ConfigError when it has none."""
        if self.host.mobile is None:
            raise ConfigError(
                f"validate.toml: host.prototype = {self.settings.host.prototype!r} has no mobile ion; choose another"
            )
        return self.host.mobile

    def units(self, repeats: tuple[int, int, int]) -> int:
        """Formula units of the host's supercell: its stoichiometry divided by the common divisor."""
        counts = np.unique(labels_of(self.host.ions), return_counts=True)[1]
        return int(np.gcd.reduce(counts)) * int(np.prod(repeats))

    def crystal(
        self, x: float | Fraction, y: float | Fraction, repeats: tuple[int, int, int], rng: np.random.Generator
    ) -> Atoms:
        """The doped host with the composition nearest to x partners and y dopants per formula unit.

        A positive ``y`` gives one dopant at least.
        """
        units, of = self.units(repeats), self.settings.host
        partners = round(float(x) * units)
        dopants = max(1, round(float(y) * units)) if y else 0
        changes = [Substitution(of.replaced, of.partner, self.potential.species[of.partner].formal_charge, partners)]
        if dopants:
            changes.append(Substitution(of.replaced, self.dopant.label, self.dopant.formal_charge, dopants))
        return substituted(self.host.repeated(repeats), changes, rng)

    def rng(self, gate: str) -> np.random.Generator:
        """Random numbers of a gate, from the seed of the fit."""
        return np.random.default_rng([self.config.seed, *gate.encode()])

    def key(self, gate: str, frames: bool, peer: bool) -> str:
        """Hash of everything that a gate's runs depend on, 16 hex digits.

        frames, peer: whether it looks at the reference frames, and at the potential compared with.
        """
        content = [
            gate,
            self.potential.dumps(),
            self.peer.dumps() if peer and self.peer else None,
            self.settings.model_dump_json(),
            str(self.level),
            self.config.seed,
            self.config.model_dump_json(include={"dopant"}),
            [(one.name, one.energy, one.held_out) for one in self.targets] if frames else None,
        ]
        return sha256(json.dumps(content).encode()).hexdigest()[:16]


def load_subject(folder: Path, potential: str | None, level_name: str) -> Subject:
    """Read a fit's folder (or its fit.toml) and the potential to validate, that of the fit by default.

    Raises ConfigError and ReferenceDataError, one line each.
    """
    level(level_name)
    config, file = load_config(folder)
    own = potential is None
    source = str(file.parent / POTENTIAL_FILE) if potential is None else potential
    if own and not Path(source).is_file():
        raise ConfigError(
            f"{source}: there is no fitted potential yet; run `dopantfit fit {file.parent}` first, or name one of "
            f"{', '.join(library_names())} with --potential"
        )
    subject = Potential.load(source)
    peer = load_potential(config.compare_with, file) if config.compare_with else None
    found = Subject(
        file, config, load_settings(file.parent), source, own, subject, None if peer == subject else peer, level_name
    )
    _check_species(found)
    return found


def potential_sha256(source: str | Path) -> str:
    """Hash of the bytes of a potential's file, or of a library potential; ConfigError when there is none."""
    return sha256(locate(str(source)).read_bytes()).hexdigest()


def _check_species(subject: Subject) -> None:
    of = subject.settings.host
    host = {of.replaced, of.partner, of.former, of.anion, subject.mobile}
    for pair in of.peaks:
        if not set(pair_of(pair)) <= host:
            raise ConfigError(
                f'{SETTINGS_FILE}: host.peaks."{pair}" is not in the host, which holds {", ".join(sorted(host))}'
            )
    missing = sorted({subject.dopant.label, *host} - set(subject.potential.species))
    if missing:
        raise ConfigError(
            f"{subject.source}: has no parameters for {', '.join(missing)}, which the crystals of the gates hold; "
            "choose another potential, or another [host] in validate.toml"
        )


def _trained_on(folder: Path) -> frozenset[str]:
    """Names of the frames that the fit in this folder was made with; none where it left no record."""
    path = folder / RECORD_FILE
    if not path.is_file():
        return frozenset()
    try:
        record: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return frozenset(record["frames"]["train"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path}: is no record of a fit; run `dopantfit fit {folder}` again") from None
