"""Whatever is damaged in a trajectory: it is read, or refused in one line; nothing else is raised, nor warned of."""

import random
import re

import pytest

from dopantfit.errors import DopantFitError
from dopantfit.transport import read_trajectory

from .walk import LABELS, dcd, dump, walk, xdatcar, xyz

RUN = walk(12)
FILES = {
    "a.dump": (dump(RUN, head="ITEM: UNITS\nmetal\n", time=0.1), {"types": {"1": "Li", "2": "Ti", "3": "O"}}),
    "b.dump": (dump(RUN, "id element x y z ix iy iz"), {"timestep": 0.001}),
    "c.xyz": (xyz(RUN.positions, "Timestep={i}00 Time={ps}"), {}),
    "XDATCAR": (xdatcar(RUN), {"interval": 0.1}),
    "d.dcd": (dcd(RUN.positions, (8.0, -0.2577, 7.762, 0.11, -0.1134, 9.09)), {"species": LABELS}),
}
WORDS = (b"nan", b"1e300", b"-1", b"0", b"9" * 400, b"x", b"", b"\0", b"1e-300", b"-inf", b"\n", b'Lattice="')


def damaged(content, draw):
    """One word, four bytes, one byte, or the end of a file are others."""
    place, kind = draw.randrange(draw.choice([len(content) - 4, 300])), draw.random()
    if kind < 0.1:
        return content[:place]
    if kind < 0.3:
        return content[:place] + bytes(draw.randrange(256) for _ in range(4)) + content[place + 4 :]
    word = re.compile(rb"[^\s=\"]+").search(content, place)
    return content if word is None else content[: word.start()] + draw.choice(WORDS) + content[word.end() :]


@pytest.mark.parametrize("name", FILES)
def test_damage_is_read_or_refused_in_one_line(name, tmp_path):
    whole, arguments = FILES[name]
    whole = whole if isinstance(whole, bytes) else whole.encode()
    (tmp_path / name).write_bytes(whole)
    read_trajectory(tmp_path / name, **arguments)
    refused = 0
    for seed in range(150):
        (tmp_path / name).write_bytes(damaged(whole, random.Random(seed)))
        try:
            read_trajectory(tmp_path / name, **arguments)
        except DopantFitError as problem:
            refused += 1
            assert "\n" not in str(problem), seed
    assert refused > 50
