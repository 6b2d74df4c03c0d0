"""The tables that a study reports, gathered from constructed results."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.report.needed import lacking
from dopantfit.statistics import Estimate
from dopantfit.study import items
from dopantfit.study.conduction import mean_nearest
from dopantfit.study.files import Item, write_item
from dopantfit.transport.trajectory import Trajectory
from dopantfit.workflow.graph import Task
from dopantfit.workflow.records import Record
from dopantfit.workflow.work import Finished, Work

ITEMS = {
    items.acceptance: "02-acceptance",
    items.site_occupancy: "04-site-occupancy",
    items.conductivities: "06-crystal-conductivities",
    items.ternary: "07-ternary",
    items.reducible_distance: "08-reducible-distance",
    items.densities: "09-densities",
    items.arrhenius: "10-arrhenius",
}


def number(value, error):
    return Estimate(value, error, value - 1.96 * error, value + 1.96 * error).as_dict()


def finished(name, result):
    return Finished(Path(name), Record(name, "", result, {}))


def table_of(function, results, settings, folder, failed=()):
    needs = {role: finished(role, result) for role, result in results.items()}
    task = Task("items/one", "items", "", settings, needs={role: role for role in [*results, *failed]})
    outcome = function(Work(task, folder, needs))
    with (folder / "table.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    caption = json.loads((folder / "item.json").read_text())
    assert list(caption["columns"]) == list(rows[0]) if rows else True
    # The page refuses a result without what it draws.
    assert lacking(ITEMS[function], caption["columns"], caption["facts"]) == ""
    return rows, caption, outcome


def test_systems_are_ordered_as_people_count():
    roles = ["A_10#1", "A_2#10", "A_2#2", "A_ref#1", "T_0#1"]
    groups = items.systems({role: finished(role, {}) for role in roles})
    assert list(groups) == ["A_ref", "A_2", "A_10", "T_0"]
    assert [one.record.task for one in groups["A_2"]] == ["A_2#2", "A_2#10"]


def sigma(value, diffusion=None):
    species = {"Li": {"tracer_conductivity_S_per_cm": value, "D_cm2_per_s": diffusion}, "O": {}}
    return {"species": species, "temperature_K": 700.0, "runs": 2}


def test_conductivities_stand_beside_the_reference(tmp_path):
    results = {
        "C_ref": sigma(number(2e-2, 1e-4)),
        "C_1": sigma(number(1e-2, 1e-4), number(3e-6, 1e-7)),
        "C_2": sigma({"upper_bound_95": 5e-3}, {"upper_bound_95": 2e-6}),
    }
    rows, caption, _ = table_of(items.conductivities, results, {"reference": "C_ref", "mobile": "Li"}, tmp_path)
    assert [row["system"] for row in rows] == ["C_ref", "C_1", "C_2"]  # O has none and no row
    assert caption["facts"]["ratios"]["C_1"]["value"] == pytest.approx(0.5)
    # An upper bound is a limit without a value.
    assert (rows[2]["sigma_value"], rows[2]["sigma_high"]) == ("", "0.005")
    assert (float(rows[1]["D_value"]), float(rows[1]["D_error"])) == pytest.approx((3e-6, 1e-7))
    assert (rows[2]["D_value"], rows[2]["D_high"]) == ("", "2e-06")
    assert caption["facts"]["ratios"]["C_2"]["high"] == pytest.approx(0.25, rel=0.02)
    assert caption["facts"]["runs"] == {"C_ref": 2, "C_1": 2, "C_2": 2}


def test_what_failed_is_named_in_the_caption(tmp_path):
    settings = {"reference": "C_ref", "mobile": "Li"}
    _, caption, outcome = table_of(
        items.conductivities, {"C_1": sigma(number(1.0, 0.1))}, settings, tmp_path, failed=["C_ref"]
    )
    assert caption["missing"] == outcome.result["missing"] == ["C_ref"]
    assert caption["facts"]["ratios"]["C_1"] == {"value": None, "low": None, "high": None}


def test_an_arrhenius_line_gives_back_its_activation_energy(tmp_path):
    kelvin = (500.0, 700.0, 1000.0)
    boltzmann = 8.617333262e-5
    results = {
        f"at{t:g}": {
            **sigma(number(np.exp(-0.3 / boltzmann / t) / t, 1e-3 * np.exp(-0.3 / boltzmann / t) / t)),
            "temperature_K": t,
        }
        for t in kelvin
    }
    rows, caption, _ = table_of(items.arrhenius, results, {"system": "A_1"}, tmp_path)
    assert [float(row["temperature"]) for row in rows] == list(kelvin)
    assert caption["facts"]["activation_energy_eV"]["Li"]["value"] == pytest.approx(0.3, rel=1e-6)
    line = np.array(caption["facts"]["lines"]["Li"])
    assert (line[0, 0], line[-1, 0]) == pytest.approx((1000.0, 500.0))
    assert line[:, 1] == pytest.approx(np.exp(-0.3 / boltzmann / line[:, 0]) / line[:, 0])
    # Three points that are known to 0.1 % each: in the middle the line is known better than any of them.
    half = np.log(line[:, 3] / line[:, 1]) / 1.96
    assert half.min() < 1e-3 and (line[:, 2] < line[:, 1]).all() and (line[:, 1] < line[:, 3]).all()


def test_one_temperature_makes_no_line_and_says_so(tmp_path):
    _, caption, _ = table_of(items.arrhenius, {"at": sigma(number(1.0, 0.1))}, {"system": "A_1"}, tmp_path)
    assert "needs two" in caption["facts"]["activation_energy_eV"]["Li"]["reason"]
    assert caption["facts"]["lines"] == {}


def cell(volume, duration=20.0, **counts):
    size = {"atoms": sum(counts.values()), "mass_u": 602.214076 * volume}
    return {"volume_A3": number(volume, 1e-3), "counts": counts, "duration_ps": duration, **size}


def test_densities_and_shares(tmp_path):
    results = {"A_ref#1": cell(1000.0, Ti=30, Al=10, O=60), "A_1#1": cell(1000.0, Ti=20, Al=10, Mg=10, O=60)}
    rows, caption, _ = table_of(items.densities, results, {}, tmp_path)
    assert caption["facts"]["volumes"]["A_1"] == {"structures": 1, "constant_pressure_ps": 20.0}
    # 602.2 u in 1000 Å³ are 1 g/cm³; here a thousand times as many.
    assert float(rows[0]["mass_density_value"]) == pytest.approx(1000.0, rel=1e-6)
    assert float(rows[0]["number_density_value"]) == pytest.approx(0.1)
    rows, _, _ = table_of(items.ternary, results, {"labels": ["Ti", "Al", "Mg"]}, tmp_path)
    assert [float(rows[1][f"x_{label}"]) for label in ("Ti", "Al", "Mg")] == [0.5, 0.25, 0.25]


def test_exchanges_across_the_interface_are_rows_of_their_own(tmp_path):
    pairs = {"Al": {"attempts": 40, "accepted": 4, "share": number(0.1, 0.05)}}
    across = {"Al": {"attempts": 10, "accepted": 3, "share": number(0.3, 0.1)}}
    found = {"acceptance": pairs, "acceptance_across": across, "penetration_A": None, "grain_share": None}
    rows, _, _ = table_of(items.acceptance, {"GB_1": found | {"walkers": [0]}}, {}, tmp_path)
    assert [(row["sites"], row["attempts"]) for row in rows] == [("all", "40"), ("across the interface", "10")]


def test_sites_and_growth_of_doped_crystals(tmp_path):
    results = {
        "volume:C_ref": cell(1000.0, Li=1),
        "volume:C_1": cell(1004.0, duration=2.0, Li=1),
        "bleeding:GB_1": {"sites": {"Al": 2, "Ti": 1, "Li": 0}, "between_sites": 1, "attempts_per_dopant": 8.0},
    }
    rows, caption, _ = table_of(items.site_occupancy, results, {}, tmp_path)
    # A dopant between sites is in the grain as well.
    assert {row["site"]: float(row["share"]) for row in rows} == {"Al": 0.5, "Ti": 0.25, "Li": 0.0, "between": 0.25}
    assert float(rows[0]["volume_change"]) == pytest.approx(0.004)
    # The shorter of the two runs that a change of volume comes from counts.
    assert caption["facts"] == {"attempts_per_dopant": {"C_1": 8.0}, "constant_pressure_ps": {"C_1": 2.0}}


def test_the_distance_of_titanium_is_pooled_over_structures(tmp_path):
    results = {}
    for k, distance in ((1, 5.0), (2, 5.2)):
        results[f"glass:A_1#{k}"] = {"nearest_A": distance, "nearest_error_A": 0.01}
        results[f"volume:A_1#{k}"] = cell(1000.0, Ti=20, O=80)
    results |= {"glass:T_0#1": {"nearest_A": None, "nearest_error_A": None}, "volume:T_0#1": cell(1000.0, O=80)}
    rows, caption, _ = table_of(items.reducible_distance, results, {"label": "Ti"}, tmp_path)
    assert caption["facts"]["volumes"]["A_1"] == {"structures": 2, "constant_pressure_ps": 20.0}
    assert float(rows[0]["nearest_value"]) == pytest.approx(5.1)
    # Two structures 0.2 Å apart: a standard error of 0.1 Å, ten times that of either.
    assert float(rows[0]["nearest_error"]) == pytest.approx(0.1)
    assert rows[1]["nearest_value"] == "" and float(rows[1]["density_value"]) == 0.0


def test_nearest_distances_are_averaged_over_time_before_ions():
    positions = np.array([[[0, 0, 0], [2.0, 0, 0], [5, 5, 5]], [[0, 0, 0], [3.0, 0, 0], [5, 5, 5]]])
    run = Trajectory.from_arrays(positions, ("Ti", "Ti", "O"), np.eye(3) * 20.0, 1.0)
    np.testing.assert_allclose(mean_nearest(run, "Ti"), [3.0, 3.0])
    assert len(mean_nearest(run, "O")) == 1


def test_a_ragged_table_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="2 values for 1 columns"):
        write_item(tmp_path, Item("one", "", {"a": ""}, [(1, 2)], {}))
