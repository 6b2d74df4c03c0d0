"""Parts of one run are one trajectory; replicas are independent runs, or it is said that they are not."""

import gzip
import os

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.transport import read_trajectory
from dopantfit.transport.reading import read_replicas

from .walk import INTERVAL, LABELS, dcd, dump, walk, xdatcar, xyz

RUN = walk()
COLUMNS = "id element xu yu zu"


def written(folder, **texts):
    paths = []
    for name, text in texts.items():
        paths.append(folder / name.replace("_", "."))
        (paths[-1].write_bytes if isinstance(text, bytes) else paths[-1].write_text)(text)
    return paths


def is_the_walk(trajectory):
    moved = np.asarray(trajectory.positions, dtype=float)
    assert len(moved) == 60 and trajectory.interval == pytest.approx(INTERVAL, rel=1e-6)
    np.testing.assert_allclose(moved - moved[0], RUN.positions - RUN.positions[0], rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("end", "begin"),
    [(31, 30), (30, 30), (42, 30)],
    ids=["the last frame twice", "the next frame", "from an earlier step"],
)
def test_parts_of_a_run_are_the_run_and_no_frame_is_taken_twice(end, begin, tmp_path):
    first, second = RUN.part(0, end), RUN.part(begin, 60)
    dumps = written(tmp_path, a_dump=dump(first, COLUMNS), b_dump=dump(second, COLUMNS, first=100 * begin))
    is_the_walk(read_trajectory(dumps, timestep=0.001))
    box = [(8.0, 0.0, 9.0, 0.0, 0.0, 9.5)] * 2
    dcds = written(tmp_path, a_dcd=dcd(first.positions, box[0]), b_dcd=dcd(second.positions, box[1], first=100 * begin))
    is_the_walk(read_trajectory(dcds, species=LABELS))
    # An ion that goes on from its image in the cell goes on from where it was.
    wrapped = [dump(first, "id element x y z"), dump(second, "id element x y z", first=100 * begin)]
    is_the_walk(read_trajectory(written(tmp_path, a_dump=wrapped[0], b_dump=wrapped[1]), timestep=0.001))


@pytest.mark.parametrize(("end", "begin"), [(31, 30), (30, 30)])
def test_parts_that_count_anew_or_not_at_all_go_on_from_each_other(end, begin, tmp_path):
    first, second = RUN.part(0, end), RUN.part(begin, 60)
    anew = written(tmp_path, a_dump=dump(first, COLUMNS), b_dump=dump(second, COLUMNS))
    is_the_walk(read_trajectory(anew, timestep=0.001))
    vasp = written(tmp_path, a_XDATCAR=xdatcar(first), b_XDATCAR=xdatcar(second))
    is_the_walk(read_trajectory(vasp, interval=INTERVAL))
    timed = written(tmp_path, a_xyz=xyz(first.positions, "time={ps:.1f}"), b_xyz=xyz(second.positions, "time={ps:.1f}"))
    is_the_walk(read_trajectory(timed))


def test_three_parts_of_which_one_is_compressed(tmp_path):
    texts = [dump(RUN.part(first, first + 20), COLUMNS, first=100 * first) for first in (0, 20, 40)]
    paths = written(tmp_path, a_dump=texts[0], b_dump=gzip.compress(texts[1].encode()), c_dump=texts[2])
    is_the_walk(read_trajectory(paths, timestep=0.001))


def test_what_does_not_go_on_is_refused(tmp_path):
    a, b, c = written(
        tmp_path,
        a_dump=dump(RUN.part(0, 30), COLUMNS),
        b_dump=dump(RUN.part(30, 60), COLUMNS, first=3000),
        c_dump=dump(RUN.part(50, 60), COLUMNS, first=5000),
    )
    (other,) = written(tmp_path, d_dump=dump(walk(seed=12), COLUMNS, first=3000))
    (fewer,) = written(tmp_path, e_dump=dump(RUN.part(30, 60), "id type xu yu zu", first=3000))
    (wrapped,) = written(tmp_path, f_dump=dump(RUN.part(30, 60), "id element x y z", first=3000))
    for paths, words in (
        ((b, a), "a.dump: does not go on from"),
        ((a, other), "d.dump: does not go on from"),
        ((a, c), "frames are missing or doubled"),
        ((a, a), "is the same part of the run"),
        ((a, fewer), "holds other species"),
        ((a, wrapped), "is written in another way"),
    ):
        with pytest.raises(ConfigError) as caught:
            read_trajectory(paths, timestep=0.001)
        # A gap in the steps may also show as ions that are too far away.
        assert words in str(caught.value) or (paths == (a, c) and "does not go on" in str(caught.value))


@pytest.mark.parametrize("begin", [29, 30])
def test_replicas_that_go_on_from_one_another_are_told(begin, tmp_path):
    a, b = written(
        tmp_path,
        a_dump=dump(RUN.part(0, 30), COLUMNS),
        b_dump=dump(RUN.part(begin, 60), COLUMNS, first=100 * begin),
    )
    for runs in ([[a], [b]], [[b], [a]]):
        _, words = read_replicas(runs)
        assert len(words) == 1 and words[0].startswith(f"{b}: goes on from {a}") and "--join" in words[0]
    assert read_replicas([[a, b]])[1] == []


def test_independent_replicas_are_told_nothing(tmp_path):
    # Both begin with the same ions at the same step after the same equilibration, and differ from then on.
    same = walk().positions[0]
    runs = [walk(seed=seed) for seed in (12, 13)]
    for one in runs:
        one.positions[0] = same
    paths = written(tmp_path, **{f"{i}_dump": dump(one, COLUMNS, first=5000) for i, one in enumerate(runs)})
    assert read_replicas([[path] for path in paths])[1] == []


def test_one_run_given_twice_is_refused_in_whatever_shape(tmp_path):
    whole = dump(RUN, COLUMNS)
    path, copy, packed, other, start = written(
        tmp_path,
        run_dump=whole,
        copy_dump=whole,
        packed_dump=gzip.compress(whole.encode()),
        other_xyz=xyz(RUN.wrapped, "time={ps}"),
        start_dump=dump(RUN.part(0, 20), COLUMNS),
    )
    (tmp_path / "link.dump").symlink_to(path)
    os.link(path, tmp_path / "hard.dump")
    for again in (path, copy, packed, other, start, tmp_path / "link.dump", tmp_path / "hard.dump"):
        for runs in ([[path], [again]], [[again], [path]]):
            with pytest.raises(ConfigError, match="is the same run as"):
                read_replicas(runs)
