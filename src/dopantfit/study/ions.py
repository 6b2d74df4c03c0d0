"""What moves in a run of a study, as its tables name it: ions of a label, or the dopants on one kind of site."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MovingIon:
    """Ions of one label; of dopants on known sites, those on one kind of site, which the tables call ``Mg on Ti``."""

    label: str
    site: str | None = None

    @classmethod
    def named(cls, name: str) -> "MovingIon":
        """Return what a table names; the inverse of ``name``. A label holds no blank."""
        label, _, site = name.partition(" on ")
        return cls(label, site or None)

    @property
    def name(self) -> str:
        """As tables and figures have it."""
        return self.label if self.site is None else f"{self.label} on {self.site}"
