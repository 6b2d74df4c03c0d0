"""The global search: seeded, inside the box, resumable to the same bytes, whatever the method."""

import json

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.fit.config import Swarm
from dopantfit.fit.search import ANCHOR_ERROR, Generations, first_generation, run_search
from dopantfit.fit.surrogate import Evaluated

METHODS = ["pso", "tpe", "cma-es"]
CENTRE = np.array([0.3, 0.7, 0.55])


class _Bowl:
    """A quadratic bowl that counts how many points it was asked for, and can be cut off."""

    def __init__(self, stop_after=None):
        self.asked = 0
        self.stop_after = stop_after

    def __call__(self, points, anchor, lowest):
        assert points.min() >= 0.0 and points.max() <= 1.0
        self.asked += len(points)
        if self.stop_after is not None and self.asked > self.stop_after:
            raise KeyboardInterrupt
        return [Evaluated(float(np.sum((point - CENTRE) ** 2))) for point in points]


def _search(bowl, settings, journal=None, key="bowl"):
    rng = np.random.default_rng(5)
    first = first_generation([np.full(3, 0.5)], 3, settings, rng)
    return run_search(bowl, first, settings, rng, Generations(journal, key))


@pytest.mark.parametrize("method", METHODS)
def test_a_search_finds_the_bottom_of_a_bowl_and_starts_from_what_is_known(method):
    settings = Swarm(method=method, particles=12, generations=15)
    found = _search(_Bowl(), settings)
    points, costs = found.points, found.costs
    assert len(points) == 12 * 16
    assert points[0].tolist() == [0.5, 0.5, 0.5]
    # The best of 192 random points of a unit cube comes within about 0.1 of the centre; a search within half of that.
    assert np.linalg.norm(points[costs.argmin()] - CENTRE) < 0.05


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_points(method):
    settings = Swarm(method=method, particles=6, generations=4)
    one, other = (_search(_Bowl(), settings).points for _ in range(2))
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_search_resumes_to_the_same_bytes_without_doing_anything_twice(method, tmp_path):
    settings = Swarm(method=method, particles=6, generations=6)
    whole = _search(_Bowl(), settings).points
    journal = tmp_path / "search.jsonl"
    with pytest.raises(KeyboardInterrupt):
        _search(_Bowl(stop_after=20), settings, journal)
    # Three generations of six are on disk; a fourth that a kill cut off in the middle of a line does not count.
    with journal.open("a") as file:
        file.write('{"points": [[0.1, 0.')
    bowl = _Bowl()
    resumed = _search(bowl, settings, journal).points
    assert resumed.tobytes() == whole.tobytes()
    assert bowl.asked == 7 * 6 - 3 * 6


def test_a_journal_of_another_search_is_not_believed(tmp_path):
    settings, journal = Swarm(particles=6, generations=2), tmp_path / "search.jsonl"
    _search(_Bowl(), settings, journal, key="another")
    bowl = _Bowl()
    _search(bowl, settings, journal)
    assert bowl.asked == 18
    assert '{"journal": "bowl"}' in journal.read_text().splitlines()[0]


@pytest.mark.parametrize("harm", [("cost", "0.0"), ("points", "0.123")])
def test_a_changed_cost_or_point_is_not_believed_and_the_same_search_comes_out(tmp_path, harm):
    settings, journal = Swarm(particles=6, generations=4), tmp_path / "search.jsonl"
    whole = _search(_Bowl(), settings, journal)
    lines = journal.read_text().splitlines()
    found = json.loads(lines[3][65:])
    if harm[0] == "cost":
        found["results"][2][0] = float(harm[1])
    else:
        found["points"][2][0] = float(harm[1])
    lines[3] = lines[3][:65] + json.dumps(found)
    journal.write_text("\n".join([*lines, ""]))
    bowl = _Bowl()
    again = _search(bowl, settings, journal)
    assert again.points.tobytes() == whole.points.tobytes() and again.results == whole.results
    assert bowl.asked == 3 * 6  # the changed generation, and those after it


def test_the_hypercube_covers_every_direction(rng):
    first = first_generation([], 3, Swarm(particles=10), rng)
    # A Latin hypercube has one point in each tenth of each direction.
    for column in first.T:
        assert sorted(np.floor(10 * column)) == list(range(10))


def test_a_sampler_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("dopantfit.fit.search.find_spec", lambda name: None)
    settings = Swarm(method="cma-es", particles=4, generations=1)
    with pytest.raises(ConfigError, match="cmaes"):
        _search(_Bowl(), settings)


@pytest.mark.parametrize("error", [0.5 * ANCHOR_ERROR, 2 * ANCHOR_ERROR])
def test_the_anchor_moves_to_a_new_best_where_the_expansion_was_off_and_is_the_same_after_a_resume(tmp_path, error):
    settings = Swarm(particles=6, generations=10)
    journal, asked = tmp_path / "search.jsonl", []

    def evaluate(points, anchor, lowest):
        asked.append((anchor.tolist(), lowest))
        costs = [float(np.sum((point - CENTRE) ** 2)) for point in points]
        # Every second candidate is an estimate, and looks better than it is.
        return [
            Evaluated(c if n % 2 else 0.1 * c, None, (1 + error) * c if n % 2 else 0.1 * c, exact=bool(n % 2))
            for n, c in enumerate(costs)
        ]

    found = _search(evaluate, settings, journal)
    exact = [one.cost if one.exact else np.inf for one in found.results]
    for generation, (anchor, lowest) in enumerate(asked):
        best = int(np.argmin(exact[: 6 * generation])) if generation else 0
        assert lowest == (exact[best] if generation else np.inf)
        assert anchor == found.points[best if error > ANCHOR_ERROR else 0].tolist()
    # Six generations are on disk, the seventh has to be evaluated again, around the anchor it had.
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:7]))
    whole, asked[:] = list(asked), []
    assert _search(evaluate, settings, journal).results == found.results
    assert asked == whole[6:]
