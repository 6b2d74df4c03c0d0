"""What a study compares: boundaries, crystals and glasses, undoped and at every dose."""

import re
from enum import StrEnum
from functools import total_ordering
from typing import Self

from pydantic import model_validator

from dopantfit.errors import ConfigError
from dopantfit.workflow.schema import Model


class Kind(StrEnum):
    """What a system is; the value begins its name."""

    AMORPHOUS = "A"
    CRYSTAL = "C"
    BOUNDARY = "GB"
    #: The glass without the reducible ion.
    EXCHANGED = "T"


_ORDER = list(Kind)
_NAME = re.compile(r"(A|C|GB|T)_(ref|0|[1-9][0-9]*)")


@total_ordering
class System(Model):
    """One system of a study.

    composition: number of the dose from 1; 0 where the dopant stands in for all of the reducible ion; None for the
    undoped reference. cell: number of the structure where a composition has several, from 1.
    """

    kind: Kind
    composition: int | None = None
    cell: int = 1

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.composition == 0) != (self.kind is Kind.EXCHANGED):
            raise ValueError(f"{self.name}: composition 0 is that of T_0, and of nothing else")
        return self

    @classmethod
    def named(cls, name: str) -> "System":
        """Return the system that a person or a table names; ConfigError for any other word."""
        found = _NAME.fullmatch(name)
        try:
            if found is not None:
                kind, composition = found.groups()
                return cls(kind=Kind(kind), composition=None if composition == "ref" else int(composition))
        except ValueError:
            pass
        raise ConfigError(f"{name!r} is no system of a study; write C_ref, C_1, A_ref, A_1, GB_1, ... or T_0")

    @property
    def name(self) -> str:
        """``C_ref``, ``A_1``, ``GB_2`` or ``T_0``: the same for all cells of a composition."""
        return f"{self.kind}_{'ref' if self.composition is None else self.composition}"

    @property
    def is_reference(self) -> bool:
        """Whether it is the undoped one."""
        return self.composition is None

    @property
    def is_dosed(self) -> bool:
        """Whether it holds the dopant at one of the study's doses."""
        return bool(self.composition)

    @property
    def reference(self) -> "System":
        """What it is held against."""
        kind = Kind.AMORPHOUS if self.kind is Kind.EXCHANGED else self.kind
        return System(kind=kind)

    @property
    def first_cell(self) -> "System":
        """The first structure of the same composition."""
        return self.model_copy(update={"cell": 1})

    def as_kind(self, kind: Kind) -> "System":
        """The system of another kind at the same dose."""
        return System(kind=kind, composition=self.composition)

    def __lt__(self, other: "System") -> bool:
        """As people count: A before C before GB before T; the reference first; then by dose and cell."""
        return self._order() < other._order()

    def _order(self) -> tuple[int, int, int]:
        return _ORDER.index(self.kind), self.composition or 0, self.cell


def crystal(composition: int | None = None, cell: int = 1) -> System:
    """Return C_i, or C_ref; cell: number of the arrangement."""
    return System(kind=Kind.CRYSTAL, composition=composition, cell=cell)


def boundary(composition: int | None = None) -> System:
    """Return GB_i."""
    return System(kind=Kind.BOUNDARY, composition=composition)


def glass(composition: int | None = None, cell: int = 1) -> System:
    """Return A_i, or A_ref."""
    return System(kind=Kind.AMORPHOUS, composition=composition, cell=cell)


#: The glass without the reducible ion.
EXCHANGED = System(kind=Kind.EXCHANGED, composition=0)
