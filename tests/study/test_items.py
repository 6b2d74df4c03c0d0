"""The tables that a study reports, gathered from constructed results."""

import csv
import json

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.study import boundary_items, glass_items, transport_items
from dopantfit.study.bleeding_stage import GrainPenetration
from dopantfit.study.boundary_items import CrystalOccupancy, Penetrations, SiteOccupancy, SystemPenetration
from dopantfit.study.conduction import NearestNeighbours, Transported, mean_nearest
from dopantfit.study.dynamics import Equilibrated
from dopantfit.study.glass_items import Densities, GlassCells, ReducibleDistance, Ternary
from dopantfit.study.item import tabulated
from dopantfit.study.item_schemas import SCHEMAS
from dopantfit.study.systems import EXCHANGED, System, boundary, crystal, glass
from dopantfit.study.transport_items import ArrheniusLine, ConductingSystem, Conductivities
from dopantfit.transport.trajectory import Trajectory
from dopantfit.workflow.schema import parse_content
from dopantfit.workflow.typed import TaskOutput, TypedTask
from made_up_results import accepted, bled, bound, equilibrated, neighbours, number, outcome_of, transported

ITEMS = {
    boundary_items.acceptance.name: "02-acceptance",
    boundary_items.site_occupancy.name: "04-site-occupancy",
    transport_items.conductivities.name: "06-crystal-conductivities",
    glass_items.ternary.name: "07-ternary",
    glass_items.reducible_distance.name: "08-reducible-distance",
    glass_items.densities.name: "09-densities",
    transport_items.arrhenius.name: "10-arrhenius",
}


def table_of(action, settings, results, folder):
    outcome = outcome_of(TypedTask("items/one", "items", action, settings, tolerant=True), results, folder)
    with (folder / "table.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    caption = json.loads((folder / "item.json").read_text())
    assert list(caption["columns"]) == list(rows[0]) if rows else True
    # The page refuses a result without what it draws.
    schema = SCHEMAS[ITEMS[action.name]]
    assert set(schema.columns) <= set(caption["columns"]) and parse_content(schema.facts, caption["facts"])
    assert outcome.result == {"facts": caption["facts"], "missing": caption["missing"]}
    return rows, caption


def test_systems_are_ordered_as_people_count():
    names = ["A_10", "T_0", "A_2", "GB_1", "A_ref", "C_ref"]
    assert [one.name for one in sorted(map(System.named, names))] == ["A_ref", "A_2", "A_10", "C_ref", "GB_1", "T_0"]
    assert glass(2, cell=2) < glass(2, cell=10)


@pytest.mark.parametrize("name", ["B_1", "C_", "C_01", "C_0", "T_1", "T_ref", "c_1", "A_1#2", "C_-1", ""])
def test_what_is_no_system_is_refused(name):
    with pytest.raises(ConfigError, match="is no system of a study"):
        System.named(name)


def conductivities(systems):
    named = tuple(
        ConductingSystem(system=System.named(name), transports=(TaskOutput[Transported](task=name),))
        for name in systems
    )
    return Conductivities(reference=crystal(), mobile="Li", systems=named)


def test_conductivities_stand_beside_the_reference(tmp_path):
    results = {
        "C_ref": transported(number(2e-2, 1e-4)),
        "C_1": transported(number(1e-2, 1e-4), diffusion=number(3e-6, 1e-7)),
        "C_2": transported(bound(5e-3), diffusion=bound(2e-6)),
    }
    rows, caption = table_of(transport_items.conductivities, conductivities(results), results, tmp_path)
    assert [row["system"] for row in rows] == ["C_ref", "C_1", "C_2"]  # O has none and no row
    assert caption["facts"]["ratios"]["C_1"]["value"] == pytest.approx(0.5)
    # An upper bound is a limit without a value.
    assert (rows[2]["sigma_value"], rows[2]["sigma_high"]) == ("", "0.005")
    assert (float(rows[1]["D_value"]), float(rows[1]["D_error"])) == pytest.approx((3e-6, 1e-7))
    assert (rows[2]["D_value"], rows[2]["D_high"]) == ("", "2e-06")
    assert caption["facts"]["ratios"]["C_2"]["high"] == pytest.approx(0.25, rel=0.02)
    assert caption["facts"]["runs"] == {"C_ref": 2, "C_1": 2, "C_2": 2}


def test_conductivities_at_a_second_temperature_stand_in_columns_of_their_own(tmp_path):
    settings = conductivities(["C_ref", "C_1"])
    hot = [
        one.model_copy(update={"hotter": (TaskOutput[Transported](task=f"hot {one.system.name}"),)})
        for one in settings.systems
    ]
    results = {
        "C_ref": transported(number(2e-2, 1e-4)),
        "C_1": transported(number(1e-2, 1e-4)),
        "hot C_ref": transported(number(4e-2, 1e-4), temperature=1000.0),
        "hot C_1": transported(number(3e-2, 1e-4), temperature=1000.0),
    }
    settings = settings.model_copy(update={"systems": tuple(hot)})
    rows, caption = table_of(transport_items.conductivities, settings, results, tmp_path)
    assert [float(row["sigma_value"]) for row in rows] == [0.02, 0.01]
    assert [float(row["sigma_1000K_value"]) for row in rows] == [0.04, 0.03]
    assert caption["facts"]["second_temperature_K"] == 1000.0
    assert caption["facts"]["ratios"]["C_1"]["value"] == pytest.approx(0.5)
    assert caption["facts"]["second_ratios"]["C_1"]["value"] == pytest.approx(0.75)


def test_what_failed_is_named_in_the_caption(tmp_path):
    settings = conductivities(["C_ref", "C_1"])
    _, caption = table_of(transport_items.conductivities, settings, {"C_1": transported(number(1.0, 0.1))}, tmp_path)
    assert caption["missing"] == ["C_ref"]
    assert caption["facts"]["ratios"]["C_1"] == {"value": None, "low": None, "high": None}


def line_through(names):
    return ArrheniusLine(system=glass(1), points=tuple(TaskOutput[Transported](task=name) for name in names))


def test_an_arrhenius_line_gives_back_its_activation_energy(tmp_path):
    kelvin = (500.0, 700.0, 1000.0)
    boltzmann = 8.617333262e-5
    sigma = {t: float(np.exp(-0.3 / boltzmann / t) / t) for t in kelvin}
    results = {f"at{t:g}": transported(number(sigma[t], 1e-3 * sigma[t]), temperature=t) for t in kelvin}
    rows, caption = table_of(transport_items.arrhenius, line_through(results), results, tmp_path)
    assert [float(row["temperature"]) for row in rows] == list(kelvin)
    assert caption["facts"]["activation_energy_eV"]["Li"]["value"] == pytest.approx(0.3, rel=1e-6)
    line = np.array(caption["facts"]["lines"]["Li"])
    assert (line[0, 0], line[-1, 0]) == pytest.approx((1000.0, 500.0))
    assert line[:, 1] == pytest.approx(np.exp(-0.3 / boltzmann / line[:, 0]) / line[:, 0])
    # Three points that are known to 0.1 % each: in the middle the line is known better than any of them.
    half = np.log(line[:, 3] / line[:, 1]) / 1.96
    assert half.min() < 1e-3 and (line[:, 2] < line[:, 1]).all() and (line[:, 1] < line[:, 3]).all()


def test_one_temperature_makes_no_line_and_says_so(tmp_path):
    results = {"at": transported(number(1.0, 0.1))}
    _, caption = table_of(transport_items.arrhenius, line_through(results), results, tmp_path)
    assert "needs two" in caption["facts"]["activation_energy_eV"]["Li"]["reason"]
    assert caption["facts"]["lines"] == {}


def cells(*systems, structures=False):
    """Amorphous cells by their systems; their volumes are A_1#1, their surroundings A_1#1/glass."""
    return tuple(
        GlassCells(
            system=system,
            volumes=tuple(TaskOutput[Equilibrated](task=f"{system.name}#{k}") for k in range(1, count + 1)),
            structures=tuple(
                TaskOutput[NearestNeighbours](task=f"{system.name}#{k}/glass")
                for k in range(1, count + 1)
                if structures
            ),
        )
        for system, count in systems
    )


def test_densities_and_shares(tmp_path):
    results = {"A_ref#1": equilibrated(1000.0, Ti=30, Al=10, O=60)}
    results["A_1#1"] = equilibrated(1000.0, Ti=20, Al=10, Mg=10, O=60)
    both = cells((glass(), 1), (glass(1), 1))
    rows, caption = table_of(glass_items.densities, Densities(glasses=both), results, tmp_path)
    assert caption["facts"]["volumes"]["A_1"] == {"structures": 1, "constant_pressure_ps": 20.0}
    # 602.2 u in 1000 Å³ are 1 g/cm³; here a thousand times as many.
    assert float(rows[0]["mass_density_value"]) == pytest.approx(1000.0, rel=1e-6)
    assert float(rows[0]["number_density_value"]) == pytest.approx(0.1)
    shares = Ternary(labels=("Ti", "Al", "Mg"), glasses=both)
    rows, _ = table_of(glass_items.ternary, shares, results, tmp_path)
    assert [float(rows[1][f"x_{label}"]) for label in ("Ti", "Al", "Mg")] == [0.5, 0.25, 0.25]


def test_exchanges_across_the_interface_are_rows_of_their_own(tmp_path):
    found = bled(
        acceptance={"Al": accepted(40, 4, number(0.1, 0.05))},
        acceptance_across={"Al": accepted(10, 3, number(0.3, 0.1))},
        penetration_A=None,
        grain_share=None,
    )
    settings = Penetrations(
        boundaries=(SystemPenetration(system=boundary(1), bleedings=(TaskOutput[GrainPenetration](task="bleeding"),)),)
    )
    rows, _ = table_of(boundary_items.acceptance, settings, {"bleeding": found}, tmp_path)
    assert [(row["sites"], row["attempts"]) for row in rows] == [("all", "40"), ("across the interface", "10")]


def test_sites_and_growth_of_doped_crystals(tmp_path):
    results = {
        "C_ref": equilibrated(1000.0, Li=1),
        "C_1": equilibrated(1004.0, duration=2.0, Li=1),
        "GB_1": bled(sites={"Al": 2, "Ti": 1, "Li": 0}, between_sites=1, attempts_per_dopant=8.0),
    }
    grown = CrystalOccupancy(
        system=crystal(1),
        bleedings=(TaskOutput[GrainPenetration](task="GB_1"),),
        volumes=(TaskOutput[Equilibrated](task="C_1"),),
    )
    settings = SiteOccupancy(references=(TaskOutput[Equilibrated](task="C_ref"),), crystals=(grown,))
    rows, caption = table_of(boundary_items.site_occupancy, settings, results, tmp_path)
    # A dopant between sites is in the grain as well.
    assert {row["site"]: float(row["share"]) for row in rows} == {"Al": 0.5, "Ti": 0.25, "Li": 0.0, "between": 0.25}
    assert float(rows[0]["volume_change"]) == pytest.approx(0.004)
    # The shorter of the two runs that a change of volume comes from counts.
    assert caption["facts"] == {"attempts_per_dopant": {"C_1": 8.0}, "constant_pressure_ps": {"C_1": 2.0}}


def test_the_distance_of_titanium_is_pooled_over_structures(tmp_path):
    results = {}
    for k, distance in ((1, 5.0), (2, 5.2)):
        results[f"A_1#{k}/glass"] = neighbours(distance)
        results[f"A_1#{k}"] = equilibrated(1000.0, Ti=20, O=80)
    results |= {"T_0#1/glass": neighbours(None), "T_0#1": equilibrated(1000.0, O=80)}
    settings = ReducibleDistance(label="Ti", glasses=cells((glass(1), 2), (EXCHANGED, 1), structures=True))
    rows, caption = table_of(glass_items.reducible_distance, settings, results, tmp_path)
    assert caption["facts"]["volumes"]["A_1"] == {"structures": 2, "constant_pressure_ps": 20.0}
    # Logarithms are pooled: their mean lies below that of the values by half the variance, (0.1 / 5.1)² / 2 of it.
    assert float(rows[0]["nearest_value"]) == pytest.approx(5.1, rel=3e-4)
    # Two structures 0.2 Å apart: a standard error of 0.1 Å, ten times that of either.
    assert float(rows[0]["nearest_error"]) == pytest.approx(0.1, rel=3e-4)
    assert rows[1]["nearest_value"] == "" and float(rows[1]["density_value"]) == 0.0


def test_nearest_distances_are_averaged_over_time_before_ions():
    positions = np.array([[[0, 0, 0], [2.0, 0, 0], [5, 5, 5]], [[0, 0, 0], [3.0, 0, 0], [5, 5, 5]]])
    run = Trajectory.from_arrays(positions, ("Ti", "Ti", "O"), np.eye(3) * 20.0, 1.0)
    np.testing.assert_allclose(mean_nearest(run, "Ti"), [3.0, 3.0])
    assert len(mean_nearest(run, "O")) == 1


def test_a_ragged_table_is_refused():
    with pytest.raises(ConfigError, match="2 values for 1 columns"):
        tabulated({"a": ""}, [(1, 2)], "one")
