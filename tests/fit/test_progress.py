"""While starts are refined, whoever watches hears every few seconds where each of them is."""

import re

from dopantfit.fit import workers
from dopantfit.fit.config import Local
from dopantfit.fit.objective import Objective
from dopantfit.fit.variables import make_space
from dopantfit.workflow import progress
from observed import Observed


def test_refinements_say_where_they_are_while_they_go_on(config, host, targets, tmp_path, monkeypatch):
    assert workers._TELL <= 5.0  # a few seconds: here the whole refinement takes no longer
    monkeypatch.setattr(workers, "_TELL", 0.05)
    monkeypatch.setattr(progress, "_PAUSE", 0.0)
    objective, observer = Objective(make_space(config, host, "fit.toml"), targets, config.guards), Observed()
    starts = [objective.space.start, objective.space.start + 0.01]
    with workers.worker_pool(objective, 1) as pool, workers.told(tmp_path / "local", observer) as folder:
        workers.refine_all(pool, starts, Local(max_iterations=15), folder)
    assert {work for work, _, _ in observer.told} == {"local"}
    steps = [re.findall(r"start (\d) at step (\d+), cost ([\d.e+-]+)", text) for _, text, _ in observer.told]
    assert all(steps)
    for number in ("1", "2"):
        mine = [(int(step), -float(cost)) for told in steps for start, step, cost in told if start == number]
        # Told again and again, further each time, and never at a higher cost.
        assert mine == sorted(mine) and len(set(mine)) > 2
