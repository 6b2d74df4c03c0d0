"""What is validated: a potential, the one it stands beside, the frames that it has not seen, and the crystals."""

import json
from collections.abc import Sequence
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
from dopantfit.fit.record_schema import FitRecord
from dopantfit.fit.run import load_potential
from dopantfit.potential import Potential, library_names
from dopantfit.potential.files import locate
from dopantfit.structures import Host, Substitution, substituted
from dopantfit.structures.hosts import MeasuredCell
from dopantfit.structures.hosts.load import check_potential
from dopantfit.transport.activation import ActivationEnergy, read_activation_energy
from dopantfit.validate.dynamics import recipe_sha256
from dopantfit.validate.exchange_labels import JudgedExchanges, load_judged
from dopantfit.validate.gate import Threshold
from dopantfit.validate.presets import GatePreset, gate_preset
from dopantfit.validate.settings import SETTINGS_FILE, Settings, load_settings
from dopantfit.validate.thresholds import of_host


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
    preset_name: str

    @property
    def preset(self) -> GatePreset:
        """Sizes and durations."""
        return gate_preset(self.preset_name)

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
    def exchanges(self) -> JudgedExchanges:
        """The exchanges that ``validate.toml`` names; ConfigError where it names none."""
        folder = self.file.parent
        if self.settings.exchange is None:
            raise ConfigError(
                f"{folder / SETTINGS_FILE}: has no [exchange], so there are no energies to judge; add sets to it"
            )
        fitted = _exchanges_fitted(folder) if self.own else frozenset()
        return load_judged(self.settings.exchange, folder, self.potential, fitted)

    @cached_property
    def diffusion(self) -> ActivationEnergy | None:
        """E_a of the mobile ion's diffusion, where ``validate.toml`` names one; ConfigError for a file that is none."""
        named = self.settings.barrier
        if named is None or named.diffusion is None:
            return None
        return read_activation_energy(self.file.parent / named.diffusion, self.mobile)

    @property
    def label_error(self) -> float:
        """What exchange energies of the reference must differ by to have an order [eV]."""
        return self.settings.exchange.label_error if self.settings.exchange else 0.0

    @property
    def host(self) -> Host:
        """What is doped."""
        return self.settings.host

    @property
    def mobile(self) -> str:
        """Label of the host's mobile ion."""
        return self.host.mobile

    @property
    def movable(self) -> tuple[str, ...]:
        """Labels of what may leave its site: the mobile ion, and a dopant that takes its places."""
        on_its_sites = self.host.site_of(self.dopant.formal_charge) == self.mobile
        return (self.mobile, self.dopant.label) if on_its_sites else (self.mobile,)

    @property
    def measured_cells(self) -> tuple[MeasuredCell, ...]:
        """Measured cells of the compositions that a conventional cell can have."""
        units = self.units((1, 1, 1))
        return tuple(one for one in self.host.cells if (Fraction(one.x) * units).denominator == 1)

    def limit(self, name: str) -> Threshold:
        """A threshold of the host."""
        return of_host(self.host, name)

    def units(self, repeats: tuple[int, int, int]) -> int:
        """Formula units of so many conventional cells."""
        return self.host.units_of(self.host.conventional) * int(np.prod(repeats))

    def crystal(
        self, x: float | Fraction, y: float | Fraction, repeats: tuple[int, int, int], rng: np.random.Generator
    ) -> Atoms:
        """The doped host with the composition nearest to x partners and y dopants per formula unit.

        A positive ``y`` gives one dopant at least.
        """
        units = self.units(repeats)
        partners = round(float(x) * units)
        dopants = max(1, round(float(y) * units)) if y else 0
        changes = [self.host.partners(partners)]
        if dopants:
            charge = self.dopant.formal_charge
            changes.append(Substitution(self.host.site_of(charge), self.dopant.label, charge, dopants))
        return substituted(self.host.conventional.repeated(repeats), changes, rng)

    def rng(self, gate: str) -> np.random.Generator:
        """Random numbers of a gate, from the seed of the fit."""
        return np.random.default_rng([self.config.seed, *gate.encode()])

    def key(
        self,
        gate: str,
        frames: bool,
        peer: bool,
        dynamics: bool,
        tables: Sequence[str] = (),
        exchanges: bool = False,
        paths: bool = False,
    ) -> str:
        """Hash of everything that a gate's runs depend on, 16 hex digits.

        frames, peer, dynamics, exchanges: whether it looks at the reference frames, at the potential compared with, at
        molecular dynamics, and at exchange energies. tables: of validate.toml that it reads beside the host; others
        may change. paths: whether it looks at hops beside the dopant.
        """
        content: list[Any] = [
            gate,
            self.potential.dumps(),
            self.peer.dumps() if peer and self.peer else None,
            self.settings.model_dump_json(include={"host", *tables}),
            str(self.preset),
            self.config.seed,
            self.config.model_dump_json(include={"dopant"}),
            [(one.name, one.energy, one.held_out) for one in self.targets] if frames else None,
            recipe_sha256(self.preset) if dynamics else None,
            # Earlier versions had one path near the dopant, and one set of displacements.
            *(["every place beside the dopant", str(self.diffusion)] if paths else []),
        ]
        if exchanges:
            judged = self.exchanges
            content += [[one.name, one.reference, one.name in judged.unseen] for one in judged.targets]
            content += [one.as_dict() for one in judged.labels]
        return sha256(json.dumps(content).encode()).hexdigest()[:16]


def load_subject(folder: Path, potential: str | None, preset_name: str) -> Subject:
    """Read a fit's folder (or its fit.toml) and the potential to validate, that of the fit by default.

    Raises ConfigError and ReferenceDataError, one line each.
    """
    gate_preset(preset_name)
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
        file, config, load_settings(file.parent), source, own, subject, None if peer == subject else peer, preset_name
    )
    _check_species(found)
    _ = found.diffusion
    if found.settings.exchange is not None:
        _ = found.exchanges  # refused now, and not after hours of other gates
    return found


def potential_sha256(source: str | Path) -> str:
    """Hash of the bytes of a potential's file, or of a library potential; ConfigError when there is none."""
    return sha256(locate(str(source)).read_bytes()).hexdigest()


def _check_species(subject: Subject) -> None:
    missing = sorted({subject.dopant.label, *subject.host.charges} - set(subject.potential.species))
    if missing:
        raise ConfigError(
            f"{subject.source}: has no parameters for {', '.join(missing)}, which the crystals of the gates hold; "
            "choose another potential, or another host in validate.toml"
        )
    check_potential(subject.host, subject.potential)
    if len(subject.measured_cells) < 2:
        raise ConfigError(
            f"host {subject.host.name}: of its measured cells fewer than two are compositions that the conventional "
            f"cell of {subject.units((1, 1, 1))} formula units can have; give two such x"
        )


def _exchanges_fitted(folder: Path) -> frozenset[str]:
    """Names of the exchanges that the fit in this folder was held to."""
    record = FitRecord.read_if_there(folder / RECORD_FILE)
    known = record.exchanges.energies if record is not None and record.exchanges is not None else ()
    return frozenset(one.name for one in known if not one.held_out)


def _trained_on(folder: Path) -> frozenset[str]:
    """Names of the frames that the fit in this folder was made with; none where it left no record."""
    record = FitRecord.read_if_there(folder / RECORD_FILE)
    return frozenset(record.frames.train if record else ())
