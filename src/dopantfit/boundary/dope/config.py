"""What people write to have a boundary doped: ``dope.toml``. Units: Å, at%, K, ps, bar."""

import csv
import os
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from dopantfit.boundary.build.stages import Health, Stage, check_stages
from dopantfit.boundary.build.tables import Count, Positive, Text, load_table
from dopantfit.boundary.profile.domains import Span
from dopantfit.errors import ConfigError
from dopantfit.strict_toml import Seed, Table, read_text
from dopantfit.structures.hosts import Host, load_host

Floats = NDArray[np.float64]

DOPE_FILE = "dope.toml"
#: Points at which a profile is averaged over the domain.
_POINTS = 2001


class TwoMaxima(Table):
    """Two equal Gaussians along the normal, in units of the domain's thickness, cut off at its ends.

    The defaults have a peak of 1.43 times the mean: 7.1 at% at the peak are then 4.95 at% on average, as published.
    """

    kind: Literal["two-maxima"] = "two-maxima"
    #: Distance of the maxima, and standard deviation of each.
    separation: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    width: Positive = 0.146

    def weight(self, distance: Floats, domain: Span) -> Floats:
        """Relative concentration at distances from the middle of the domain [Å]; shape of `distance`."""
        u = distance / domain.width
        both = [np.exp(-0.5 * ((u + sign * 0.5 * self.separation) / self.width) ** 2) for sign in (-1.0, 1.0)]
        return np.asarray(np.where(np.abs(u) <= 0.5, both[0] + both[1], 0.0))


class MeasuredProfile(Table):
    """A table, as from atom-probe tomography: CSV with the columns ``z_A`` and ``concentration``.

    z_A counts from the middle of the amorphous domain [Å]; concentrations are relative, linear between the points.
    """

    kind: Literal["csv"]
    path: Text

    def weight(self, distance: Floats, domain: Span) -> Floats:
        """Relative concentration at distances from the middle of the domain [Å]; shape of `distance`.

        Raises ConfigError when the table cannot be read, or has dopant outside the domain.
        """
        z, concentration = self._table()
        half = 0.5 * domain.width
        outside = z[(concentration > 0.0) & (np.abs(z) > half)]
        if len(outside):
            raise ConfigError(
                f"{self.path}: the profile has dopant at z_A = {outside[0]!r} Å, outside the amorphous domain of "
                f"±{half:.2f} Å; cut or rescale it"
            )
        return np.asarray(np.interp(distance, z, concentration, left=0.0, right=0.0))

    def _table(self) -> tuple[Floats, Floats]:
        rows = list(csv.DictReader(read_text(Path(self.path)).splitlines()))
        try:
            z = np.array([float(row["z_A"]) for row in rows])
            concentration = np.array([float(row["concentration"]) for row in rows])
        except (KeyError, TypeError, ValueError):
            raise ConfigError(f"{self.path}: expected the columns z_A and concentration, both numbers") from None
        sound = len(z) >= 2 and np.isfinite(z).all() and (np.diff(z) > 0.0).all() and np.isfinite(concentration).all()
        if not sound or (concentration < 0.0).any() or not concentration.any():
            raise ConfigError(
                f"{self.path}: expected at least two rows, z_A increasing, concentrations not negative and not all zero"
            )
        return z, concentration


Profile = Annotated[TwoMaxima | MeasuredProfile, Field(discriminator="kind")]


class DopeConfig(Table):
    """Everything that doping a boundary needs to know."""

    #: In files: a name of the library, or a TOML file beside this one.
    host: Host = Field(default_factory=load_host)
    #: Label of the dopant in the potential, and of the ion that balances its charge, the host's mobile one by default.
    dopant: Text
    mobile: Text = Field(default_factory=lambda known: known["host"].mobile)
    #: Host ions it takes the place of, in proportion to their number in the amorphous domain; the framework by default.
    replaces: Annotated[tuple[Text, ...], Field(min_length=1)] = Field(
        default_factory=lambda known: known["host"].framework
    )
    #: GB_1 ... GB_N [at% of all ions of the doped amorphous domain].
    concentrations: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.6, 1.7, 2.8, 3.9, 4.9, 6.0, 7.1)
    #: Whether a concentration is the highest along the normal, as atom probes report it, or the domain's mean.
    measure: Literal["peak", "mean"] = "peak"
    profile: Profile = TwoMaxima()
    #: Random realisations of every concentration.
    realisations: Count = 12
    seed: Seed = 1
    health: Health = Health()
    #: Relaxation of every realisation.
    stages: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> "DopeConfig":
        check_stages(self.stages)
        if self.dopant in (*self.replaces, self.mobile):
            raise ValueError(f"dopant = {self.dopant!r} is also a host ion here; name another one")
        return self

    def peak_over_mean(self, domain: Span) -> float:
        """Highest over mean concentration of the profile in a domain."""
        weight = self.profile.weight(np.linspace(-0.5, 0.5, _POINTS) * domain.width, domain)
        if not weight.any():
            raise ConfigError("the profile has no dopant inside the amorphous domain; widen or shift it")
        return float(weight.max() / weight.mean())


def load_dope(path: str | os.PathLike[str]) -> DopeConfig:
    """Return the doping of a TOML file, or of ``dope.toml`` in a folder; ConfigError naming the file and the key.

    The path of a profile is relative to the file.
    """
    file = Path(path)
    file = file / DOPE_FILE if file.is_dir() else file
    config = load_table(DopeConfig, file)
    if isinstance(config.profile, MeasuredProfile):
        profile = config.profile.model_copy(update={"path": str(file.parent / config.profile.path)})
        config = config.model_copy(update={"profile": profile})
    return config
