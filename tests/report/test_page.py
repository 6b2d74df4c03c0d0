"""The page holds what the records hold, names what is missing, and needs no network."""

import csv
import json
import re
import shutil
import subprocess
import sys

import pytest
from made_up_study import ensemble_item, write_study

from command_line import dopantfit
from dopantfit.errors import ConfigError
from dopantfit.report import style
from dopantfit.report.page import write_report
from dopantfit.report.results import RESULTS
from dopantfit.report.sources import read_sources
from dopantfit.structures import load_host
from dopantfit.study.item import read_table
from dopantfit.study.item_schemas import SCHEMAS
from dopantfit.workflow.provenance import sha256_of
from made_up_records import GATE, write_fit_record, write_made_up_fit, write_validation_record


def page_of(folder, output, fit=None):
    record = write_report(read_sources(folder, fit), output)
    return record, (output / "report.html").read_text(encoding="utf-8")


def all_but(*names):
    """Results that a test does not look at: drawing a whole page takes seconds."""
    return tuple(name for name in RESULTS if name not in names)


@pytest.fixture(scope="module")
def whole(study_folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole")
    return (*page_of(study_folder, output), output)


def test_every_result_has_a_figure_as_pdf_and_csv(whole):
    record, page, output = whole
    assert set(RESULTS) <= set(record.figures)
    for name in record.figures:
        assert (output / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (output / "figures" / f"{name}.csv").stat().st_size > 0
        assert f'data-figure="{name}"' in page


def test_the_verdict_comes_first_and_results_follow_in_the_published_order(whole):
    _, page, _ = whole
    places = [page.index(mark) for mark in ('id="verdict"', 'id="requirements"', *(f'id="{name}"' for name in RESULTS))]
    assert places == sorted(places)
    assert page.index("✗ no") < places[1]


def test_names_of_systems_are_told_before_they_are_used(whole, tmp_path, edit_study):
    _, page, _ = whole
    line = (
        "GB_1: the boundary with 3.9 at% Mg in its amorphous domain; C_1: the crystal with what is found in its "
        "grain, one Mg at least; A_1: the glass cut from it; C_ref, A_ref: without Mg; T_0: glass without Ti."
    )
    assert 0 < page.index(line) < page.index('id="requirements"')
    run = write_study(tmp_path / "run", all_but())

    def change(content):
        config = content["record"]["configuration"]
        config["doping"]["concentrations"], config["amorphous"]["reducible_free"] = [3.9, 7.1, 9.0], False

    edit_study(run, change)
    _, page = page_of(run, tmp_path / "out")
    assert "GB_1 to GB_3: the boundary with 3.9, 7.1 and 9 at% Mg" in page and "A_1 to A_3: the glass" in page
    assert "A_ref: without Mg." in page


def test_acceptance_is_shown_in_percent_and_set_apart_from_what_was_accepted(whole):
    _, page, output = whole
    assert page.count("acceptance: what Metropolis would accept if every attempt were relaxed; accepted:") == 1
    assert "<th>acceptance (%)</th>" in page and "<td>8.00 (6.30 to 9.70)</td>" in page
    assert ",0.08," in (output / "figures" / "02-acceptance.csv").read_text()


def test_a_pellet_follows_from_the_grains_and_glasses_of_the_study(whole, study_folder):
    """Grains of 0.10 S/cm; boundaries of 0.02 and 0.024 over the 0.4 of a cell of 28 Å: φ is 0.0112 at 0.1 µm."""
    _, page, output = whole
    table = read_table(output / "figures" / "pellet.csv")
    row = next(one for one in table if one["system"] == "A_1" and one["grain_size_um"] == 0.1)
    part = 0.4 * 28.0 / 1000.0
    found = {
        sigma: (1 - part) ** 2 / ((1 - part) / 0.10 + part / sigma) + (1 - (1 - part) ** 2) * sigma
        for sigma in (0.02, 0.024)
    }
    assert row["total_S_per_cm_value"] == pytest.approx(found[0.024], rel=1e-9)
    assert row["gain_value"] == pytest.approx(found[0.024] / found[0.02], rel=1e-9)
    assert row["gain_low"] < row["gain_value"] < row["gain_high"]
    assert page.index('id="10-arrhenius"') < page.index('id="pellet"') and "Measured at room temperature" in page


def test_without_its_crystals_a_pellet_is_missing_with_the_reason(tmp_path):
    run = write_study(tmp_path / "run", leave_out=("06-crystal-conductivities",))
    record, page = page_of(run, tmp_path / "out")
    (line,) = (one for one in record.missing if one.startswith("12 A pellet"))
    assert "a pellet needs the result 06-crystal-conductivities" in line and 'id="pellet"' in page


def test_tables_beside_figures_have_full_precision(whole, study_folder):
    _, _, output = whole
    for name in RESULTS:
        ours = (output / "figures" / f"{name}.csv").read_text()
        assert ours == (study_folder / "summary" / "items" / name / "table.csv").read_text()


@pytest.mark.parametrize(
    ("name", "columns", "row"),
    [
        (
            "01-dopant-profiles-compositions",
            "system,Ti_per_3PO4,Al_per_3PO4,Li_per_3PO4,Mg_per_3PO4",
            "1.2,0.3,2.2,0.5",
        ),
        ("02-acceptance-profiles", "system,z_A,mean_percent,deviation_percent", "GB_1,5.25,3.0,0.2"),
        ("03-host-profile-domains", "domain,from_A,to_A", "amorphous,8.4,19.5"),
        ("05-mobile-density-means", "site,from_A,to_A,change,change_low,change_high", "Ti,2.5,5.0,0.0004,"),
        ("06-crystal-conductivities-ratios", "system,ratio,ratio_low,ratio_high", "C_1,0.7,0.68,0.72"),
        ("07-ternary-means", "system,x_Ti,x_Al,x_Mg", "A_1,0.6,0.15,0.25"),
        ("10-amorphous-conductivities-ratios", "system,ratio,ratio_low,ratio_high", "T_0,0.01,0.004,0.02"),
        ("10-amorphous-conductivities-ratios-1000K", "system,ratio,ratio_low,ratio_high", "A_1,1.25,1.1,1.4"),
        ("10-arrhenius-lines", "species,temperature_K,sigma,sigma_low,sigma_high", "Li,850.0,0.053,0.047,0.06"),
    ],
)
def test_numbers_of_every_other_panel_stand_in_a_table_too(whole, name, columns, row):
    _, page, output = whole
    lines = (output / "figures" / f"{name}.csv").read_text().splitlines()
    assert lines[0] == columns and any(row in line for line in lines[1:])
    assert f"{name}.csv" in page


def test_a_line_through_conductivities_is_drawn_with_its_band_where_there_is_one(whole, tmp_path):
    drawn = whole_text(whole[2], "10-arrhenius")
    # matplotlib names what fill_between draws.
    assert "FillBetweenPolyCollection" in drawn
    run = write_study(tmp_path / "run", all_but("10-arrhenius"))
    rewritten(run, "10-arrhenius", lambda content: content["facts"].update(lines={}))
    page_of(run, tmp_path / "out")
    assert "FillBetweenPolyCollection" not in whole_text(tmp_path / "out", "10-arrhenius")
    assert not (tmp_path / "out" / "figures" / "10-arrhenius-lines.csv").exists()


def test_a_crystal_without_dopant_shows_its_density_and_says_what_it_is(tmp_path):
    run = write_study(tmp_path / "run", all_but("05-mobile-density"))
    rewritten(run, "05-mobile-density", lambda content: content["facts"].update(dopants={"Ti": 0}), keep_rows=False)
    record, page = page_of(run, tmp_path / "out")
    assert "05-mobile-density" in record.figures
    assert "Undecided: the crystal holds no dopant to look around. Drawn is its Li density" in page
    header = (tmp_path / "out" / "figures" / "05-mobile-density.csv").read_text().splitlines()[0]
    assert header == "x_A,y_A,density_per_A2,change_per_A2"


def test_other_potentials_stand_under_the_results_where_there_are_any(whole, tmp_path):
    assert 'id="ensemble"' not in whole[1] and "other potentials" not in whole[1]
    _, page = page_of(write_study(tmp_path / "run", all_but(), more=(ensemble_item(),)), tmp_path / "out")
    assert page.index('id="11-walkers"') < page.index('id="ensemble"') < page.index('id="views"')
    assert "<td>draw-01</td>" in page and "0.123 (0.122 to 0.124)" in page and "&lt; 1.0·10⁻⁵" in page
    assert "0.1234567890123" in (tmp_path / "out" / "figures" / "ensemble.csv").read_text()


def test_colours_of_ions_mean_ions(tmp_path):
    page_of(write_made_up_fit(tmp_path / "Mg"), tmp_path / "out")
    drawn = whole_text(tmp_path / "out", "fit-parameters").lower()
    palette = style.Palette(load_host(), "Mg")
    ions = [*(palette.colour(one) for one in ("Li", "Al", "Ti", "P", "O", "Mg")), style.OTHER]
    assert not [colour for colour in ions if colour.lower() in drawn]
    assert style.AT_BOUND.lower() in drawn and "not identified" in drawn


def test_published_numbers_are_labelled_with_their_size_and_source(whole):
    _, page, _ = whole
    assert re.search(r"6\.41–9\.36 %<br>.{0,40}14,030 ions, 15,000 attempts[^<]*section 3\.3, Fig\. 4a", page)


def test_the_page_asks_for_nothing_from_outside(whole):
    record, page, _ = whole
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "url(" not in page and "@import" not in page
    assert record.bytes == len(page.encode()) < 15e6


def test_what_is_not_there_is_named_with_its_reason_and_not_drawn(tmp_path):
    gone = ("02-acceptance", "05-mobile-density", "11-walkers")
    record, page = page_of(write_study(tmp_path / "run", gone), tmp_path / "out")
    assert not set(gone) & set(record.figures)
    for name in gone:
        assert re.search(rf'id="{name}">\s*<h3>[^<]*</h3>\s*<p class="missing">Missing: swaps/GB_1 failed', page)
    assert sum("swaps/GB_1 failed: the engine stopped" in line for line in record.missing) == 4


def test_a_report_takes_the_figures_of_the_one_before_away_and_leaves_what_people_put_there(tmp_path):
    output = tmp_path / "out"
    run, fit = write_study(tmp_path / "run", all_but("10-arrhenius")), write_made_up_fit(tmp_path / "Mg")
    before, _ = page_of(run, output)
    assert (output / "figures" / "10-arrhenius-lines.csv").is_file()
    mine = [output / "figures" / name for name in ("mine.pdf", "mine.csv")]
    for path in mine:
        path.write_text("mine")
    record, _ = page_of(fit, output)
    assert not set(before.figures) & set(record.figures)
    left = {path.name for path in (output / "figures").iterdir()} - {path.name for path in mine}
    assert left == {f"{name}.{ending}" for name in record.figures for ending in ("pdf", "svg", "csv")}
    assert all(path.read_text() == "mine" for path in mine)
    assert {path.name for path in output.iterdir()} == {"report.html", "report.json", "figures"}


def test_a_report_that_cannot_be_made_leaves_the_one_before(tmp_path, monkeypatch):
    fit, output = write_made_up_fit(tmp_path / "Mg"), tmp_path / "out"
    page_of(fit, output)
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}

    def broken(content):
        raise ConfigError("a record is damaged")

    monkeypatch.setattr("dopantfit.report.page.rendered", broken)
    with pytest.raises(ConfigError, match="damaged"):
        write_report(read_sources(fit), output)
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before


def test_the_same_records_give_the_same_page_in_the_run_and_kept_with_the_fit(whole, study_folder, tmp_path):
    shutil.copytree(study_folder / "summary", tmp_path / "Mg" / "study")
    record, page = page_of(tmp_path / "Mg", tmp_path / "out")
    assert page == whole[1] and record.missing == whole[0].missing
    assert 'data-view="boundary-3d"' in page and "Mg after exchange" in whole_text(tmp_path / "out", "02-acceptance")


def whole_text(output, figure):
    """Words of a figure, which matplotlib leaves as comments in its SVG."""
    return (output / "figures" / f"{figure}.svg").read_text(encoding="utf-8")


def test_a_potential_used_without_its_gates_is_said_at_the_top(tmp_path, edit_study):
    run = write_study(tmp_path / "run", all_but())
    edit_study(run, lambda content: content["gates"].update(passed=False, problem="<b>x", waiver="only a try"))
    _, page = page_of(run, tmp_path / "out")
    assert page.index("did not pass its gates") < page.index('id="requirements"')
    assert "only a try" in page and "<b>x" not in page and "&lt;b&gt;x" in page


def test_fit_and_gates_are_found_by_the_hash_of_the_potential(tmp_path, edit_study, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, fit = write_study(tmp_path / "run"), write_made_up_fit(tmp_path / "fits" / "Mg")
    assert read_sources(run).fit is None
    other = read_sources(run, fit)
    assert other.fit is not None and len(other.notes) == 2
    digest = json.loads((fit / "validation.json").read_text())["potential"]["sha256"]
    edit_study(run, lambda content: content["record"]["inputs"].update(potential=digest))
    found = read_sources(run)
    assert found.fit is not None and found.validation is not None and found.notes == ()


def test_a_fit_alone_makes_a_page_that_answers_nothing(tmp_path):
    record, page = page_of(write_made_up_fit(tmp_path / "Mg"), tmp_path / "out")
    assert record.answer is None and "study: no record was found" in record.missing
    assert {"fit-parameters", "fit-errors"} == set(record.figures)
    assert "1 of 2 parameters are identified by the data; not C Mg-Al; at a bound: C Mg-Al." in page
    assert "0.17337" in page and "1.74" in page and "answers nothing about the boundary" in page
    with (tmp_path / "out" / "figures" / "fit-parameters.csv").open() as file:
        assert next(csv.DictReader(file))["value"] == "0.1733655813527802"


def test_exchange_energies_of_a_fit_stand_on_its_page(tmp_path):
    energies = [
        {
            "name": f"set/x-{partner}{k}", "partner": partner, "held_out": k == 1, "reference": reference,
            "energies": {"fitted": reference + 0.1, "published": None if k else reference - 0.4},
            "farthest": {"fitted": 0.3, "published": None if k else 0.2},
        }
        for partner, reference in (("Al", -0.11), ("Li", 1.25)) for k in (0, 1)
    ]  # fmt: skip
    errors = [
        {
            "side": side, "partner": "all", "exchanges": 2, "reference": 0.57,
            "bias": {"fitted": 0.1, "published": worst}, "rms_error": {"fitted": 0.1234, "published": worst},
        }
        for side, worst in (("train", 0.4), ("held_out", None))
    ]  # fmt: skip
    fit = write_made_up_fit(tmp_path / "Mg")
    write_fit_record(fit, exchanges={"energies": energies, "errors": errors})
    record, page = page_of(fit, tmp_path / "out")
    assert "fit-exchanges" in record.figures and 'data-figure="fit-exchanges"' in page
    assert "of 2 that were held out: fitted 0.123, published not at rest" in page
    with (tmp_path / "out" / "figures" / "fit-exchanges.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 and rows[2]["side"] == "held_out" and float(rows[0]["energy_eV"]) == -0.11 + 0.1


def truncate_table(run):
    path = run / "summary" / "items" / "09-densities" / "table.csv"
    path.write_text(path.read_text()[:-40])
    return "09-densities/table.csv: is not what the study wrote"


def truncate_record(run):
    path = run / "summary" / "study.json"
    path.write_text(path.read_text()[:1000])
    return "study.json: cannot be read as JSON"


def remove_table(run):
    (run / "summary" / "items" / "07-ternary" / "table.csv").unlink()
    return "07-ternary/table.csv: is missing"


def change_structure(run):
    (run / "summary" / "boundary" / "structure.extxyz").write_text("1\n\nLi 0 0 0\n")
    return "boundary/structure.extxyz: is not what the study wrote"


def drop_key(run):
    path = run / "summary" / "study.json"
    content = json.loads(path.read_text())
    del content["tasks"]
    path.write_text(json.dumps(content))
    return "study.json: tasks is missing"


def drop_rules(run):
    path = run / "summary" / "study.json"
    content = json.loads(path.read_text())
    del content["record"]["configuration"]["rules"]["structures"]
    path.write_text(json.dumps(content))
    return "study.json: record.configuration.rules.structures is missing"


def rewritten(run, name, change, keep_rows=True):
    """Change the item.json of a result, and its table to the columns that it then has, as its task might have."""
    folder, record = run / "summary" / "items" / name, run / "summary" / "study.json"
    content = json.loads((folder / "item.json").read_text())
    change(content)
    with (folder / "table.csv").open() as file:
        rows = [[row.get(column, "") for column in content["columns"]] for row in csv.DictReader(file)]
    lines = [list(content["columns"]), *(rows if keep_rows else [])]
    (folder / "table.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    (folder / "item.json").write_text(json.dumps(content))
    study = json.loads(record.read_text())
    study["tasks"][f"items/{name}"]["files"] |= {one: sha256_of(folder / one) for one in ("table.csv", "item.json")}
    record.write_text(json.dumps(study))


def lose_column(run):
    rewritten(run, "02-acceptance", lambda content: content["columns"].pop("sites"))
    return "items/02-acceptance: no column `sites`, an older version wrote it; run `dopantfit study`"


def lose_fact(run):
    rewritten(run, "04-site-occupancy", lambda content: content["facts"].pop("constant_pressure_ps"))
    return "items/04-site-occupancy: fact constant_pressure_ps is missing; another version wrote it"


def another_version(run):
    path = run / "summary" / "study.json"
    path.write_text(path.read_text().replace('"format": 3', '"format": 99'))
    return "study.json: is a record of a study of format 99, expected 3"


def version_of_before(run):
    path = run / "summary" / "study.json"
    path.write_text(path.read_text().replace('"format": 3,', ""))
    return "study.json: is no record of a study of this version, it names no format, expected 3; run `dopantfit study`"


def null_record(run):
    (run / "summary" / "study.json").write_text("null")
    return "study.json: is no record of a study"


def list_for_an_item(run):
    path = run / "summary" / "items" / "07-ternary"
    (path / "item.json").write_text("[]")
    rehash(run, "07-ternary", "item.json")
    return "07-ternary/item.json: the whole is wrong"


def no_grids(run):
    (run / "summary" / "items" / "05-mobile-density" / "densities.npz").write_bytes(b"PK no archive")
    rehash(run, "05-mobile-density", "densities.npz")
    return "densities.npz: holds no densities"


def no_table(run):
    (run / "summary" / "items" / "09-densities" / "table.csv").write_bytes(b"\xff\xfe\x00")
    rehash(run, "09-densities", "table.csv")
    return "09-densities/table.csv: cannot be read"


def rehash(run, item, file):
    """Let the record vouch for a file as it is now."""
    path = run / "summary" / "study.json"
    content = json.loads(path.read_text())
    content["tasks"][f"items/{item}"]["files"][file] = sha256_of(run / "summary" / "items" / item / file)
    path.write_text(json.dumps(content))


HARMS = [
    another_version,
    version_of_before,
    null_record,
    list_for_an_item,
    no_grids,
    no_table,
    truncate_table,
    truncate_record,
    remove_table,
    change_structure,
    drop_key,
    drop_rules,
    lose_column,
    lose_fact,
]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_record_is_refused_with_its_file(harm, tmp_path):
    run = write_study(tmp_path / "run")
    expected = harm(run)
    with pytest.raises(ConfigError) as refusal:
        page_of(run, tmp_path / "out")
    assert expected in str(refusal.value) and "\n" not in str(refusal.value)
    assert not (tmp_path / "out" / "report.html").exists()


def test_a_folder_without_records_is_one_line_and_status_2(tmp_path):
    for folder, words in ((tmp_path, "has no study.json"), (tmp_path / "none", "is no folder")):
        done = dopantfit("report", folder)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.count("\n") == 1 and words in done.stderr


def test_a_study_of_an_older_version_is_one_line_and_status_2(tmp_path):
    shutil.copytree(write_study(tmp_path / "run"), tmp_path / "old")
    expected = lose_column(tmp_path / "old")
    done = dopantfit("report", tmp_path / "old")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and expected in done.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_the_page_takes_is_asked_for_before_it_is_drawn(tmp_path, name):
    """Whatever column or fact of its schema a result lacks, it is refused by name."""
    run = write_study(tmp_path / "run", more=(ensemble_item(),))
    about = json.loads((run / "summary" / "items" / name / "item.json").read_text())
    for column in SCHEMAS[name].columns:
        rewritten(run, name, lambda content, lost=column: content.update(columns=without(about["columns"], lost)))
        with pytest.raises(ConfigError, match=f"no column `{column}`"):
            read_sources(run)
    # Facts by system are facts of each system.
    plain = "GB_1" not in about["facts"]
    optional = {"second_temperature_K", "second_ratios"}
    for fact in sorted(set(about["facts"]) - optional) if plain else []:
        changed = {"columns": about["columns"], "facts": without(about["facts"], fact)}
        rewritten(run, name, lambda content, changed=changed: content.update(changed), keep_rows=False)
        with pytest.raises(ConfigError, match=f"fact {fact} is missing"):
            read_sources(run)
    assert set(SCHEMAS) == {*RESULTS, "ensemble"}


def without(content, key):
    return {name: value for name, value in content.items() if name != key}


def test_the_command_writes_into_the_folder_and_prints_json(tmp_path):
    run = write_study(tmp_path / "run", ("11-walkers",))
    command = [sys.executable, "-m", "dopantfit.cli", "report", str(run), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["page"] == str(run / "report" / "report.html") and printed["answer"] == "no"
    assert (run / "report" / "report.html").stat().st_size == printed["bytes"]
    assert "study.json" in printed["record"]["inputs"]


@pytest.mark.parametrize("record", ["fit.json", "validation.json"])
@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"format": 1}', '{"format": 7}', "\x00", '{"format": 1, "name": 3}']
)
def test_a_record_of_a_fit_that_is_none_is_one_line_with_its_file_and_the_remedy(tmp_path, record, text):
    folder = write_made_up_fit(tmp_path / "Mg")
    (folder / record).write_text(text)
    with pytest.raises(ConfigError) as refusal:
        read_sources(folder)
    said = str(refusal.value)
    assert said.startswith(f"{folder / record}: ") and "again" in said and "\n" not in said


def test_a_figure_that_is_a_link_is_refused(tmp_path):
    folder, secret = write_made_up_fit(tmp_path / "Mg"), tmp_path / "secret"
    secret.write_text("nobody's business")
    (folder / "validation").mkdir()
    write_validation_record(folder, gates=[GATE | {"figures": ["parity.png"]}])
    (folder / "validation" / "parity.png").symlink_to(secret)
    with pytest.raises(ConfigError, match=r"parity\.png: is a link"):
        page_of(folder, tmp_path / "out")
