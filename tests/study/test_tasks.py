"""The graph of a study: which tasks there are, what they cost, what a change reaches."""

import csv
import json
import time
from itertools import pairwise
from pathlib import Path

import pytest

from dopantfit.errors import ConfigError
from dopantfit.potential import Parameter, Potential
from dopantfit.study.config import load_study, parse_study
from dopantfit.study.cost import Rates, cost_of, rates_of, schedule
from dopantfit.study.run import plan_study, record_of
from dopantfit.study.tasks import Planner
from dopantfit.workflow.driver import GraphSummary
from dopantfit.workflow.graph import Graph, Task, find_action, key_of
from dopantfit.workflow.provenance import sha256_of
from made_up_results import bound, equilibrated, number, outcome_of, transported

LEAST = """
seed = 1
dopant = "Mg"
potential = "latp-mg-2022"
validation = "none.json"
accept_failed_gates = "the published set, in a test"
"""
FIT = Path(__file__).parents[2] / "fits" / "Mg"


def planner(text=LEAST, preset="quick", base=FIT):
    return Planner(parse_study(text, preset=preset), base)


@pytest.mark.parametrize("preset", ["quick", "night", "desk", "paper"])
def test_every_task_has_an_action_that_exists(preset):
    graph = planner(preset=preset).graph()
    for task in graph.tasks.values():
        assert find_action(task.action).version >= 1
    items = {name.removeprefix("items/")[:2] for name in graph.tasks if name.startswith("items/")}
    assert items == {f"{i:02d}" for i in range(1, 12)}


def test_the_paper_has_as_many_runs_as_it_says():
    graph = planner(preset="paper").graph()
    names = list(graph.tasks)
    assert sum(name.startswith("doping/") for name in names) == 7 * 12
    assert sum(name.endswith("/run1") and name.startswith("crystals/") for name in names) == 8
    # A_ref, A_1 to A_7 and T_0 with six cells each, and three more temperatures of A_4.
    assert sum("/run1" in name and name.startswith("amorphous/") for name in names) == 9 * 6 + 3


def test_a_second_temperature_runs_every_system_that_is_compared_once_more():
    text = LEAST + "\n[amorphous]\narrhenius_temperatures = [1000.0, 1400.0]\nreducible_free = true\n"
    plain, both = planner(text).graph(), planner("second_temperature = 1000.0\n" + text).graph()
    added = set(both.order) - set(plain.order)
    assert added and all(name.endswith("_1000K") for name in added)
    runs = {name.removesuffix("/transport") for name in plain.order if name.endswith("/transport")}
    compared = {name for name in runs if "/T_0/" not in name}
    again = {name.removesuffix("/transport_1000K") for name in both.order if name.endswith("/transport_1000K")}
    # The one that was to be run at 1000 K for its Arrhenius line is so already.
    assert again == compared != runs
    produced = both.tasks["crystals/C_1/run1_1000K"]
    assert produced.settings["temperature"] == 1000.0
    assert produced.needs == both.tasks["crystals/C_1/run1"].needs
    assert "crystals/C_1/transport_1000K" in both.tasks["verdict"].needs
    assert "crystals/C_1/transport_1000K" in both.tasks["items/06-crystal-conductivities"].needs


def test_a_second_temperature_below_the_first_is_refused():
    with pytest.raises(ConfigError, match=r"second_temperature = 600 K must be above 700 K"):
        parse_study("second_temperature = 600.0\n" + LEAST)


def test_a_new_fit_of_the_dopant_leaves_what_holds_none_as_it_is(tmp_path):
    published = Potential.load("latp-mg-2022")
    keys = {}
    for name, pair in {"before": ("Mg", "O"), "dopant": ("Mg", "O"), "host": ("Li", "O")}.items():
        rho = Parameter("rho", pair)
        changed = published.with_values({rho: published.value(rho) * (1.0 if name == "before" else 1.01)})
        changed.save(tmp_path / "p.toml")
        graph = planner(LEAST.replace("latp-mg-2022", "p.toml"), base=tmp_path).graph()
        # Keys of what a task needs are left out: what came out of it says that.
        keys[name] = {task.name: key_of(task, {}) for task in graph.tasks.values() if task.files}

    def same(name):
        return {task for task, key in keys[name].items() if key == keys["before"][task]}

    assert same("host") == set()
    kept = same("dopant")
    undoped = {task for task in keys["before"] if "_ref" in task or task.endswith("boundary")}
    assert kept == undoped - {task for task in undoped if "C_ref" in task and task.endswith("/build")}
    assert {"boundary", "quench-4/boundary", "crystals/C_ref/run1"} <= kept


def test_no_two_tasks_share_a_seed():
    seeds = [t.settings["seed"] for t in planner().graph().tasks.values() if t.unit == "ps" and "seed" in t.settings]
    assert len(set(seeds)) == len(seeds) > 10


def test_a_longer_amorphous_run_leaves_the_crystals_as_they_are():
    before, after = planner().graph(), planner(LEAST + "[amorphous]\nproduction = 20.0\n").graph()
    changed = {name for name in before.order if before.tasks[name] != after.tasks[name]}
    assert changed and all(name.startswith("amorphous/") and "/run" in name for name in changed)


def test_other_potentials_of_the_fit_run_the_systems_asked_for():
    text = LEAST + '[ensemble]\npotentials = ["latp-mg-2022"]\nsystems = ["C_ref", "C_1", "A_1"]\n'
    graph = planner(text).graph()
    assert "ensemble/latp-mg-2022/C_1/transport" in graph.tasks
    assert list(graph.tasks["ensemble/latp-mg-2022/A_1/equilibrate"].needs) == ["amorphous/A_1/1/build"]
    assert "ensemble/latp-mg-2022/C_1/transport" in graph.tasks["verdict"].needs


ENSEMBLE = LEAST + '[ensemble]\npotentials = ["ensemble/draw-01.toml"]\nsystems = ["C_ref", "C_1", "A_1"]\n'


def test_the_potentials_of_an_ensemble_stand_in_the_record_with_their_hashes():
    config = parse_study(ENSEMBLE)
    study = plan_study(config, FIT / "study.toml")
    inputs = record_of(study, GraphSummary({}, {}, {}, ()), time.time()).record.inputs
    assert set(inputs) == {"study", "potential", "ensemble/draw-01"}
    assert inputs["ensemble/draw-01"] == sha256_of(FIT / "ensemble" / "draw-01.toml") != inputs["potential"]


def test_every_potential_of_an_ensemble_must_have_the_dopant():
    config = parse_study(ENSEMBLE.replace("ensemble/draw-01.toml", "latp-2021"))
    with pytest.raises(ConfigError, match="Mg is not in potential"):
        plan_study(config, FIT / "study.toml")


def ensemble_rows(folder, conductivities, without=()):
    """The table of an ensemble's systems, from made-up conductivities of Li by potential and system [S/cm]."""
    (job,) = (job for job in planner(ENSEMBLE).jobs if job.name == "items/ensemble")
    results = {}
    for one in job.settings.potentials:
        for runs in one.systems:
            results[runs.volume.task] = equilibrated(1000.0, 1.0)
            results[runs.transport.task] = transported(conductivities[one.potential, runs.system.name])
    outcome = outcome_of(job, {name: one for name, one in results.items() if name not in without}, folder)
    assert outcome.files == ("table.csv", "item.json")
    with (folder / "table.csv").open() as stream:
        rows = {(row["system"], row["potential"], row["quantity"]): row for row in csv.DictReader(stream)}
    return rows, json.loads((folder / "item.json").read_text())


CONDUCTIVITIES = {
    ("study", "C_ref"): number(2e-2, 1e-4),
    ("study", "C_1"): number(1e-2, 1e-4),
    ("study", "A_1"): bound(1e-3),
    ("draw-01", "C_ref"): number(2e-2, 1e-4),
    ("draw-01", "C_1"): number(3e-2, 1e-4),
    ("draw-01", "A_1"): number(2e-3, 1e-4),
}


def test_an_ensemble_is_a_table_of_the_same_systems_by_potential_with_the_spread_between_them(tmp_path):
    rows, caption = ensemble_rows(tmp_path, CONDUCTIVITIES)
    assert {key[:2] for key in rows} == {(system, label) for label, system in CONDUCTIVITIES}
    one = rows["C_1", "draw-01", "σ(Li)"]
    assert (one["unit"], float(one["estimate_value"]), float(one["estimate_error"])) == ("S/cm", 3e-2, 1e-4)
    assert float(one["estimate_low"]) < 3e-2 < float(one["estimate_high"])
    # Two values 0.02 apart lie 0.01 from their mean: a standard deviation of 0.01 √2.
    spreads = [float(rows["C_1", label, "σ(Li)"]["spread"]) for label in ("study", "draw-01")]
    assert spreads == pytest.approx([1e-2 * 2**0.5] * 2)
    ratios = [float(rows["C_1", label, "σ(Li) over C_ref"]["estimate_value"]) for label in ("study", "draw-01")]
    assert ratios == pytest.approx([0.5, 1.5])
    assert rows["C_1", "study", "volume"]["unit"] == "Å³" and float(rows["C_1", "study", "volume"]["spread"]) == 0.0
    # A bound is no value, and one value has no spread.
    assert rows["A_1", "draw-01", "σ(Li)"]["spread"] == "" and rows["A_1", "study", "σ(Li)"]["estimate_value"] == ""
    assert caption["facts"]["spread"]["C_1"]["σ(Li)"]["potentials"] == 2 and caption["missing"] == []


def test_what_failed_of_an_ensemble_is_named_and_the_rest_is_told(tmp_path):
    lost = "ensemble/draw-01/C_ref/transport"
    rows, caption = ensemble_rows(tmp_path, CONDUCTIVITIES, without=[lost])
    assert caption["missing"] == [lost] and ("C_1", "draw-01", "σ(Li)") in rows
    assert ("C_1", "draw-01", "σ(Li) over C_ref") not in rows and ("C_ref", "draw-01", "σ(Li)") not in rows


def test_only_a_study_with_an_ensemble_has_its_table():
    assert "items/ensemble" not in planner().graph().tasks
    task = planner(ENSEMBLE).graph().tasks["items/ensemble"]
    assert {"amorphous/A_1/1/transport", "ensemble/draw-01/A_1/transport"} <= set(task.needs)


@pytest.mark.parametrize(
    ("dopant", "words"),
    [
        ("Ti", "is an ion of the host"),
        ("O", "is an ion of the host"),
        ("Li", "is an ion of the host"),
        ("P", "is an ion of the host"),
        ("Xx", "is not in potential"),
        ("", "dopant"),
    ],
)
def test_a_dopant_that_is_none_is_refused_before_any_work(dopant, words):
    with pytest.raises(ConfigError, match=words) as refusal:
        planner(LEAST.replace('"Mg"', f'"{dopant}"')).graph()
    assert "\n" not in str(refusal.value)


def test_a_study_without_its_dopant_in_the_potential_is_refused(tmp_path):
    config = parse_study(LEAST.replace("latp-mg-2022", "latp-2021"))
    with pytest.raises(ConfigError, match="Mg is not in potential"):
        plan_study(config, tmp_path / "study.toml")


def test_a_potential_without_its_gates_is_refused_unless_words_say_why(tmp_path):
    config = parse_study(LEAST.replace("accept_failed_gates", "# accept_failed_gates"))
    with pytest.raises(ConfigError, match=r"none\.json"):
        plan_study(config, tmp_path / "study.toml")
    study = plan_study(parse_study(LEAST), tmp_path / "study.toml")
    assert study.status.waiver == "the published set, in a test" and not study.status.passed


def test_the_study_of_the_repository_is_read():
    config, file = load_study(FIT)
    assert config.dopant == "Mg" and file.name == "study.toml"


def test_the_schedule_of_independent_tasks_fills_all_cores():
    graph = Graph([Task(f"t{i}", "s", "x:y") for i in range(8)])
    begins, ends = schedule(graph, dict.fromkeys(graph.order, 10.0), 4, 1, 1)
    assert max(ends.values()) == 20.0 and sorted(begins.values()) == [0.0] * 4 + [10.0] * 4


def test_the_schedule_of_a_chain_is_its_length():
    chain = [Task("t0", "s", "x:y")] + [Task(f"t{i}", "s", "x:y", needs={"n": f"t{i - 1}"}) for i in range(1, 5)]
    _, ends = schedule(Graph(chain), {f"t{i}": 10.0 for i in range(5)}, 16, 1, 1)
    assert max(ends.values()) == 50.0
    # Two ranks halve every step.
    _, ends = schedule(Graph(chain), {f"t{i}": 10.0 for i in range(5)}, 16, 2, 1)
    assert max(ends.values()) == 25.0


def test_twice_the_cores_never_take_longer_and_core_hours_stay():
    plan = planner(preset="desk")
    graph, rates = plan.graph(), Rates(2e-2, 5e-3, "a guess")
    costs = [cost_of(plan, graph, rates, cores) for cores in (2, 4, 16, 256)]
    assert all(more.wall_hours <= less.wall_hours for less, more in pairwise(costs))
    assert len({cost.core_hours for cost in costs}) == 1
    assert costs[0].wall_hours >= costs[0].core_hours / 2


def test_without_records_there_are_no_rates(tmp_path):
    assert rates_of(tmp_path, planner().graph()) is None
