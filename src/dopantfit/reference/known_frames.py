"""The frames that a set is known to hold, for telling a new one's name and whether it is there already."""

from collections import Counter
from collections.abc import Iterable
from itertools import count

from ase import Atoms

from dopantfit.reference.frames import calculated


class KnownFrames:
    """Frames by name, family and content, each looked up at once however many there are."""

    def __init__(self, frames: Iterable[Atoms]) -> None:
        """Know ``frames``, each with a ``frame_id`` and a ``family`` in its info and an energy [eV]."""
        self._names: set[str] = set()
        self._families: Counter[str] = Counter()
        self._by_content: dict[tuple[int, float, bytes], str] = {}
        for frame in frames:
            self.add(frame)

    def add(self, frame: Atoms) -> None:
        """Know another frame."""
        name = str(frame.info["frame_id"])
        self._names.add(name)
        self._families[str(frame.info["family"])] += 1
        self._by_content.setdefault(_content(frame), name)

    def has_name(self, name: str) -> bool:
        """Return whether a frame has this ``frame_id``."""
        return name in self._names

    def next_name(self, family: str) -> str:
        """Return the first free name of a family, ``<family>-<number>``."""
        names = (f"{family}-{number:03d}" for number in count(self._families[family]))
        return next(name for name in names if name not in self._names)

    def same_as(self, frame: Atoms) -> str | None:
        """Return the name of the frame with the same positions and energy; None where there is none."""
        return self._by_content.get(_content(frame))


def _content(frame: Atoms) -> tuple[int, float, bytes]:
    # Adding zero makes one of the two zeros of IEEE 754.
    return len(frame), float(calculated(frame)["energy"]), (frame.positions + 0.0).tobytes()
