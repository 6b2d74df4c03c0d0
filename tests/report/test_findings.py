"""Captions say what the numbers say, and no more."""

from dataclasses import replace

import numpy as np
import pytest

from dopantfit.report.compare import PublishedBeside, agreement_in_words, comparisons, published
from dopantfit.report.results import RESULTS
from dopantfit.study.item_schemas import SCHEMAS
from dopantfit.study.summary import read_summary
from dopantfit.workflow.schema import parse_content


@pytest.fixture(scope="module")
def study(study_folder):
    return read_summary(study_folder)


def facts_of(study, name):
    return study.items[name].facts.model_dump(mode="json")


def said(study, name, **changes):
    if "facts" in changes:
        changes["facts"] = parse_content(SCHEMAS[name].facts, changes["facts"])
    return RESULTS[name].say(replace(study.items[name], **changes), study)


def test_a_loss_of_conductivity_is_stated_with_its_interval(study):
    text = said(study, "06-crystal-conductivities")
    assert "lower in 1 of 1 system" in text
    assert "−30 % (−32 to −28 %)" in text


def test_a_gain_within_its_error_is_undecided(study):
    text = said(study, "10-amorphous-conductivities")
    assert "undecided in 1 of 1 system" in text
    assert "T_0: 0.010 times (0.0040 to 0.020), undecided from one structure each" in text


def test_a_second_temperature_is_told_beside_the_first(study):
    facts = facts_of(study, "06-crystal-conductivities")
    second = {"C_ref": facts["ratios"]["C_ref"], "C_1": {"value": 0.8, "low": 0.75, "high": 0.85}}
    text = said(
        study, "06-crystal-conductivities", facts=facts | {"second_temperature_K": 1000.0, "second_ratios": second}
    )
    assert "At 1000 K: −20 % (−25 to −15 %) in C_1." in text
    assert "K:" not in said(study, "06-crystal-conductivities")


def test_bounds_alone_decide_nothing(study):
    unknown = {"value": None, "low": None, "high": None}
    ratios = {"C_ref": unknown, "C_1": unknown | {"low": 0.0}}
    facts = facts_of(study, "06-crystal-conductivities") | {"ratios": ratios}
    text = said(study, "06-crystal-conductivities", facts=facts)
    assert "undecided in 1 of 1 system;" in text and "upper bound" in text


def test_without_a_doped_system_there_is_no_comparison(study):
    facts = {"ratios": {"C_ref": {"value": 1.0, "low": 0.9, "high": 1.1}}, "runs": {}}
    assert said(study, "06-crystal-conductivities", facts=facts).startswith("Undecided")
    rows = [row for row in study.items["09-densities"].rows if row["system"] == "A_ref"]
    assert said(study, "09-densities", rows=rows).startswith("Undecided")


def test_distances_that_differ_by_more_than_their_errors_are_longer(study):
    text = said(study, "08-reducible-distance")
    assert "4.95 (4.90 to 5.00) Å in A_ref and 5.20 (5.15 to 5.25) Å in A_1 (longer)" in text
    assert "(lower)" in text
    assert said(study, "09-densities").count("(undecided)") == 2


def test_the_preferred_partner_needs_intervals_that_do_not_touch(study):
    text = said(study, "02-acceptance")
    # Rows of other exchanges than those across the interface, 3000 of them, are left out.
    assert text.startswith("Of relaxed exchanges across the interface (2,000 attempts) Metropolis accepts 8.00 (")
    assert "% with Al and 0.500 (" in text and "% with Ti: Mg prefers the places of Al." in text
    rows = [row | {"acceptance_low": 0.0, "acceptance_high": 0.2} for row in study.items["02-acceptance"].rows]
    assert "which partner is preferred is undecided" in said(study, "02-acceptance", rows=rows)


def test_li_gathers_where_its_density_rises_by_more_than_its_error(study):
    assert "0.400 (0.204 to 0.596) 10⁻³ Å⁻³ within 2.5–5 Å of Mg on Ti (Li gathers)" in said(study, "05-mobile-density")
    rows = [row | {"error": 1e-3} for row in study.items["05-mobile-density"].rows]
    assert "(undecided)" in said(study, "05-mobile-density", rows=rows)


def with_grids(folder, item, doped, reference):
    """A result whose Li densities are the same everywhere [1/Å³]."""
    grids = {"doped": doped * np.ones((2, 2, 2)), "reference": reference * np.ones((2, 2, 2))}
    np.savez(folder / "densities.npz", **grids, difference=grids["doped"], cell=np.eye(3))
    return replace(item, files={"densities.npz": folder / "densities.npz"})


def test_li_gathers_only_where_its_density_rises_by_more_than_in_the_whole_cell(study, tmp_path):
    item = study.items["05-mobile-density"]
    for reference, word in ((7.0e-3, "(Li gathers)"), (6.7e-3, "(undecided)"), (6.0e-3, "(Li stays away)")):
        shown = with_grids(tmp_path, item, 7.1e-3, reference)
        text = RESULTS["05-mobile-density"].say(shown, study)
        # Around the dopant it rises by 0.400 (0.204 to 0.596).
        assert "0.400 (0.204 to 0.596)" in text and word in text
    assert "Over the whole cell it changes by 1.10 10⁻³ Å⁻³, by the Li that balances the charge of Mg." in text


def test_without_the_grids_the_cell_may_hold_any_amount_of_li(study):
    text = said(study, "05-mobile-density", files={})
    assert "(undecided: the change over the whole cell is not known)" in text
    assert "By charge balance C_1 holds another amount of Li than C_ref." in text


@pytest.mark.parametrize("stuck", ["C_ref", "C_1"])
def test_li_that_has_not_moved_shows_where_it_was_put(study, stuck):
    sigma = study.items["06-crystal-conductivities"]
    bound = {"sigma_value": None, "sigma_error": None, "sigma_low": None}
    rows = [row | bound if (row["system"], row["species"]) == (stuck, "Li") else row for row in sigma.rows]
    still = replace(study, items={**study.items, "06-crystal-conductivities": replace(sigma, rows=rows)})
    words = "(undecided: Li has not moved a hop, so that its density shows where it was put)"
    text = said(still, "05-mobile-density")
    assert f"0.400 (0.204 to 0.596) 10⁻³ Å⁻³ within 2.5–5 Å of Mg on Ti {words}" in text
    assert words not in said(study, "05-mobile-density")


def test_without_conductivities_nothing_says_whether_li_has_moved(study):
    fewer = {name: item for name, item in study.items.items() if name != "06-crystal-conductivities"}
    text = said(replace(study, items=fewer), "05-mobile-density")
    assert "(undecided: result 6 does not say whether Li has moved)" in text


def test_the_profile_of_the_host_is_averaged_domain_by_domain(study):
    # The middles of layers 2 to 5 of 8 lie in the amorphous 30 to 70 %: 1.7, 1.8, 1.9 and 2.0 at%.
    assert "1.9 ± 0.06 at% in the amorphous" in said(study, "03-host-profile")


def test_every_published_number_has_its_size_and_source_and_ours_beside_it(study):
    known = published()
    assert {one.item for one in known.numbers} <= set(RESULTS)
    shown = {name: comparisons(study.items[name], study, known) for name in RESULTS}
    assert sum(len(one) for one in shown.values()) == len(known.numbers)
    assert all(one.source and one.their_size and one.our_size for found in shown.values() for one in found)
    (loss, framework, channel) = shown["06-crystal-conductivities"]
    assert loss.ours == "C_1 −30 % (−32 to −28 %)" and loss.theirs == "−0.51 %"
    assert "C_1 Mg on Ti < 0.00014" in framework.ours
    assert channel.ours == "undecided, nothing but bounds"
    assert "200 attempts and 40 ps per walker, 2 walkers" in shown["02-acceptance"][0].our_size


TREND = PublishedBeside("x_Ti", "0.8 → 0.5", "small", "0.82 → 0.42", "large", "Fig. 9b", trend="falls")


@pytest.mark.parametrize(
    ("ours", "word"),
    [
        ("falls", "falls, as published"),
        ("rises", "rises, against what was published"),
        (None, "open: published, it falls"),
    ],
)
def test_a_published_trend_is_found_or_not_or_open(ours, word):
    assert replace(TREND, our_trend=ours).agreement == word
    assert replace(TREND, trend=None, our_trend=None).agreement == ""


def test_the_trends_are_counted_in_a_sentence():
    found, against = replace(TREND, our_trend="falls"), replace(TREND, quantity="volume", our_trend="rises")
    told = agreement_in_words([found, against, replace(TREND, quantity="gain"), replace(TREND, trend=None)], "Mg")
    assert told == (
        "Of 3 trends with the dose that were published for Mg this study has 1; against it: volume; open: gain."
    )
    assert agreement_in_words([replace(TREND, trend=None)], "Mg") == ""


def test_trends_of_the_made_up_study_are_those_of_its_tables(study):
    known = published()
    found = {one.quantity: one.our_trend for name in RESULTS for one in comparisons(study.items[name], study, known)}
    trends = {one.key: found[one.quantity] for one in known.numbers if one.trend}
    assert trends == {
        "volume": "rises",  # 0.1 to 0.7 %
        "reducible-share": None,  # of one structure each
        "reducible-distance": "rises",  # 4.95 ± 0.05 to 5.2 ± 0.05 Å
        "mass-density": None,  # 2.7 ± 0.1 to 2.65 ± 0.1 g/cm³
        "amorphous-mobile": None,  # 0.9 to 1.6
    }


def test_shares_of_sites_come_with_their_counts(study):
    text = said(study, "04-site-occupancy")
    assert "5 Mg ions were found in the grain: 1 on Al, 0 on Li, 3 on Ti and 1 between sites." in text
    assert "0.400 (0.100 to 0.700) % in C_1 (it grows)" in text


def test_a_volume_that_had_no_time_to_equilibrate_neither_grows_nor_shrinks(study):
    facts = facts_of(study, "04-site-occupancy") | {"constant_pressure_ps": {"C_1": 2.0}}
    text = said(study, "04-site-occupancy", facts=facts)
    assert "in C_1 (undecided: 2 ps at constant pressure, 10 are asked for)" in text


def test_few_attempts_do_not_say_what_stays_in_the_grain(study):
    item = study.items["04-site-occupancy"]
    facts = facts_of(study, "04-site-occupancy") | {"attempts_per_dopant": {"C_1": 8.0}}
    words = "(undecided whether it stays so: 8 attempts per dopant, 20 are asked for)"
    assert words in said(study, "04-site-occupancy", facts=facts)
    rows = [row | {"count": 0, "share": None} for row in item.rows]
    assert f"No Mg was found in the grain {words}" in said(study, "04-site-occupancy", rows=rows, facts=facts)


def test_dopants_between_sites_are_in_the_grain_and_the_crystal_says_where_it_has_them(study):
    rows = [row | {"count": int(row["site"] == "between")} for row in study.items["04-site-occupancy"].rows]
    text = said(study, "04-site-occupancy", rows=rows)
    assert "1 Mg ion was found in the grain: 0 on Al, 0 on Li, 0 on Ti and 1 between sites" in text
    assert "what C_1 holds of it sits where its partners of exchange sat." in text


def test_one_run_does_not_say_whether_li_stays_away(study):
    item = study.items["05-mobile-density"]
    rows = [row | {"difference": -0.4, "error": 1e-3} for row in item.rows]
    assert "(Li stays away)" in said(study, "05-mobile-density", rows=rows)
    undecided = "(undecided: 1 run, 2 are asked for to see the spread)"
    facts = facts_of(study, "05-mobile-density") | {"runs": {"doped": 2, "reference": 1}}
    assert undecided in said(study, "05-mobile-density", rows=rows, facts=facts)


def test_few_runs_or_structures_compare_nothing(study):
    facts = facts_of(study, "06-crystal-conductivities") | {"runs": {"C_ref": 2, "C_1": 1}}
    text = said(study, "06-crystal-conductivities", facts=facts)
    assert "undecided in 1 of 1 system (1 run, 2 are asked for to see the spread); C_1: −30 %" in text
    enough = {"structures": 2, "constant_pressure_ps": 50.0}
    for less, words in (
        ({"structures": 1}, "(undecided: 1 structure, 2 are asked for to see the spread)"),
        ({"constant_pressure_ps": 2.0}, "(undecided: 2 ps at constant pressure, 10 are asked for)"),
    ):
        facts = {"volumes": {"A_ref": enough, "A_1": enough | less}}
        assert said(study, "08-reducible-distance", facts=facts).count(words) == 2


def test_a_crystal_without_dopant_is_the_reference_run_once_more(study):
    rows = [row for row in study.items["06-crystal-conductivities"].rows if row["species"] != "Mg on Ti"]
    words = "C_1: no Mg inside, the reference run once more."
    assert words in said(study, "06-crystal-conductivities", rows=rows)
    assert words not in said(study, "06-crystal-conductivities")
    # The glass without Ti is no reference, whatever is in it.
    assert "the reference run once more" not in said(study, "10-amorphous-conductivities")


def test_layers_without_any_ion_show_no_minima_and_no_error_of_zero(study):
    item = study.items["03-host-profile"]
    rows = [row | {"mean": 0.0 if i < 2 or i > 5 else row["mean"]} for i, row in enumerate(item.rows)]
    # The middles of layers 0, 1, 6 and 7 of 8 lie in the grain.
    assert "none in the 4 layers of the grain" in said(study, "03-host-profile", rows=rows)
    (minima,) = comparisons(replace(item, rows=rows), study, published())
    assert minima.ours == "undecided: some layers hold no Al at all"


def test_a_dopant_that_did_not_enter_the_grain_has_no_depth(study):
    item = study.items["02-acceptance"]
    for share, words in (({"upper_bound_95": 0.9}, "GB_1: no Mg in the grain"), (None, "GB_1 undecided")):
        bled = facts_of(study, "02-acceptance")["GB_1"] | {"penetration_A": None, "grain_share": share}
        facts = parse_content(SCHEMAS["02-acceptance"].facts, {"GB_1": bled})
        shown = comparisons(replace(item, facts=facts), study, published())
        assert words in [one.ours for one in shown]


@pytest.mark.parametrize("name", ["01-dopant-profiles", "03-host-profile", "11-walkers"])
def test_what_is_shown_of_one_boundary_says_so_where_there_are_more(study, name):
    tasks = study.record.tasks
    assert "of the first of" not in said(study, name)
    more = {f"quench-{number}/boundary": tasks["boundary"] for number in (2, 3)}
    several = replace(study, record=study.record.model_copy(update={"tasks": {**tasks, **more}}))
    assert ", of the first of 3 boundaries" in RESULTS[name].say(several.items[name], several)
