"""How far a study has grown: what there is of everything that more can be made of."""

from typing import Self

from pydantic import Field

from dopantfit.study.config import StudyConfig
from dopantfit.study.systems import System
from dopantfit.workflow.schema import Model


class CompositionExtent(Model):
    """What there is of one composition, and of the references that it is compared with.

    quenches: boundaries with their walkers and glasses. arrangements: of its crystal. glass_segments,
    crystal_segments: pieces that every production run consists of, one going on from the other.
    """

    quenches: int = Field(ge=1)
    arrangements: int = Field(ge=1)
    glass_segments: int = Field(ge=1, default=1)
    crystal_segments: int = Field(ge=1, default=1)


class Extent(Model):
    """What there is of every composition, from the first on."""

    compositions: tuple[CompositionExtent, ...]

    @classmethod
    def first(cls, study: StudyConfig) -> Self:
        """Return the extent that a study of fixed size has, which is the first round of one that grows."""
        one = CompositionExtent(quenches=study.boundary.quenches, arrangements=study.crystals.arrangements)
        return cls(compositions=(one,) * len(study.compositions))

    def of(self, system: System) -> CompositionExtent:
        """Return what there is of a system; of one that several compositions share, the most that any asks for."""
        if system.is_dosed:
            return self.compositions[(system.composition or 0) - 1]
        names = CompositionExtent.model_fields
        return CompositionExtent(**{name: max(getattr(one, name) for one in self.compositions) for name in names})

    def with_composition(self, index: int, new: CompositionExtent) -> Self:
        """The same with another extent of composition `index`, from 1."""
        found = list(self.compositions)
        found[index - 1] = new
        return self.model_copy(update={"compositions": tuple(found)})
