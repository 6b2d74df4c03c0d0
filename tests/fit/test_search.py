"""The global search: seeded, inside the box, resumable to the same bytes, whatever the method."""

import json

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.fit.config import Swarm
from dopantfit.fit.search import Journal, first_generation, run_search

CENTRE = np.array([0.3, 0.7, 0.55])


class _Bowl:
    """A quadratic bowl that counts how many points it was asked for, and can be cut off."""

    def __init__(self, stop_after=None):
        self.asked = 0
        self.stop_after = stop_after

    def __call__(self, points):
        assert points.min() >= 0.0 and points.max() <= 1.0
        self.asked += len(points)
        if self.stop_after is not None and self.asked > self.stop_after:
            raise KeyboardInterrupt
        return [(float(np.sum((point - CENTRE) ** 2)), None) for point in points]


def _search(bowl, settings, journal=None, key="bowl"):
    rng = np.random.default_rng(5)
    first = first_generation([np.full(3, 0.5)], 3, settings, rng)
    return run_search(bowl, first, settings, rng, Journal(journal, key))


@pytest.mark.parametrize("method", ["pso", "tpe"])
def test_a_search_finds_the_bottom_of_a_bowl_and_starts_from_what_is_known(method):
    settings = Swarm(method=method, particles=12, generations=15)
    points, costs = _search(_Bowl(), settings)
    assert len(points) == 12 * 16
    assert points[0].tolist() == [0.5, 0.5, 0.5]
    # The best of 192 random points of a unit cube comes within about 0.1 of the centre; a search within half of that.
    assert np.linalg.norm(points[costs.argmin()] - CENTRE) < 0.05


@pytest.mark.parametrize("method", ["pso", "tpe"])
def test_the_same_seed_gives_the_same_points(method):
    settings = Swarm(method=method, particles=6, generations=4)
    one, other = (_search(_Bowl(), settings)[0] for _ in range(2))
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("method", ["pso", "tpe"])
def test_a_killed_search_resumes_to_the_same_bytes_without_doing_anything_twice(method, tmp_path):
    settings = Swarm(method=method, particles=6, generations=6)
    whole, _ = _search(_Bowl(), settings)
    journal = tmp_path / "search.jsonl"
    with pytest.raises(KeyboardInterrupt):
        _search(_Bowl(stop_after=20), settings, journal)
    # Three generations of six are on disk; a fourth that a kill cut off in the middle of a line does not count.
    with journal.open("a") as file:
        file.write('{"points": [[0.1, 0.')
    bowl = _Bowl()
    resumed, _ = _search(bowl, settings, journal)
    assert resumed.tobytes() == whole.tobytes()
    assert bowl.asked == 7 * 6 - 3 * 6


def test_a_journal_of_another_search_is_not_believed(tmp_path):
    settings, journal = Swarm(particles=6, generations=2), tmp_path / "search.jsonl"
    _search(_Bowl(), settings, journal, key="another")
    bowl = _Bowl()
    _search(bowl, settings, journal)
    assert bowl.asked == 18
    assert json.loads(journal.read_text().splitlines()[0]) == {"search": "bowl"}


def test_the_hypercube_covers_every_direction(rng):
    first = first_generation([], 3, Swarm(particles=10), rng)
    # A Latin hypercube has one point in each tenth of each direction.
    for column in first.T:
        assert sorted(np.floor(10 * column)) == list(range(10))


def test_a_sampler_that_is_not_installed_is_named():
    settings = Swarm(method="cma-es", particles=4, generations=1)
    with pytest.raises(ConfigError, match="cmaes"):
        _search(_Bowl(), settings)
