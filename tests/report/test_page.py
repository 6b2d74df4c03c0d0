"""The page holds what the records hold, names what is missing, and needs no network."""

import csv
import json
import re
import shutil
import subprocess
import sys

import pytest
from made_up_study import write_fit, write_study

from dopantfit.errors import ConfigError
from dopantfit.report.page import write_report
from dopantfit.report.records import read_sources
from dopantfit.report.results import RESULTS


def page_of(folder, output, fit=None):
    record = write_report(read_sources(folder, fit), output)
    return record, (output / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def whole(study_folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole")
    return (*page_of(study_folder, output), output)


def test_every_result_has_a_figure_as_pdf_and_csv(whole):
    record, page, output = whole
    assert set(RESULTS) <= set(record["figures"])
    for name in record["figures"]:
        assert (output / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (output / "figures" / f"{name}.csv").stat().st_size > 0
        assert f'data-figure="{name}"' in page


def test_the_verdict_comes_first_and_results_follow_in_the_published_order(whole):
    _, page, _ = whole
    places = [page.index(mark) for mark in ('id="verdict"', 'id="requirements"', *(f'id="{name}"' for name in RESULTS))]
    assert places == sorted(places)
    assert page.index("✗ no") < places[1]


def test_tables_beside_figures_have_full_precision(whole, study_folder):
    _, _, output = whole
    for name in RESULTS:
        ours = (output / "figures" / f"{name}.csv").read_text()
        assert ours == (study_folder / "summary" / "items" / name / "table.csv").read_text()


def test_published_numbers_are_labelled_with_their_size_and_source(whole):
    _, page, _ = whole
    assert re.search(r"6\.41–9\.36 %<br>.{0,40}14,030 ions, 15,000 attempts[^<]*section 3\.3, Fig\. 4a", page)


def test_the_page_asks_for_nothing_from_outside(whole):
    record, page, _ = whole
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "url(" not in page and "@import" not in page
    assert record["bytes"] == len(page.encode()) < 15e6


def test_the_same_records_give_the_same_page(study_folder, whole, tmp_path):
    assert page_of(study_folder, tmp_path)[1] == whole[1]


def test_what_is_not_there_is_named_with_its_reason_and_not_drawn(tmp_path):
    gone = ("02-acceptance", "05-li-density", "11-walkers")
    record, page = page_of(write_study(tmp_path / "run", gone), tmp_path / "out")
    assert not set(gone) & set(record["figures"])
    for name in gone:
        assert re.search(rf'id="{name}">\s*<h3>[^<]*</h3>\s*<p class="missing">Missing: swaps/GB_1 failed', page)
    assert sum("swaps/GB_1 failed: the engine stopped" in line for line in record["missing"]) == 4


def test_a_summary_kept_with_its_fit_gives_the_same_page_as_the_run(whole, study_folder, tmp_path):
    shutil.copytree(study_folder / "summary", tmp_path / "Mg" / "study")
    record, page = page_of(tmp_path / "Mg", tmp_path / "out")
    assert page == whole[1] and record["missing"] == whole[0]["missing"]
    assert 'data-view="boundary-3d"' in page and "Mg after exchange" in whole_text(tmp_path / "out", "02-acceptance")


def whole_text(output, figure):
    """Words of a figure, which matplotlib leaves as comments in its SVG."""
    return (output / "figures" / f"{figure}.svg").read_text(encoding="utf-8")


def test_a_potential_used_without_its_gates_is_said_at_the_top(tmp_path, edit_study):
    run = write_study(tmp_path / "run")
    edit_study(run, lambda content: content.update(gates={"passed": False, "problem": "<b>x", "waiver": "only a try"}))
    _, page = page_of(run, tmp_path / "out")
    assert page.index("did not pass its gates") < page.index('id="requirements"')
    assert "only a try" in page and "<b>x" not in page and "&lt;b&gt;x" in page


def test_fit_and_gates_are_found_by_the_hash_of_the_potential(tmp_path, edit_study, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, fit = write_study(tmp_path / "run"), write_fit(tmp_path / "fits" / "Mg")
    assert read_sources(run).fit is None
    other = read_sources(run, fit)
    assert other.fit is not None and len(other.notes) == 2
    digest = json.loads((fit / "validation.json").read_text())["potential"]["sha256"]
    edit_study(run, lambda content: content["record"]["inputs"].update(potential=digest))
    found = read_sources(run)
    assert found.fit is not None and found.validation is not None and found.notes == ()


def test_a_fit_alone_makes_a_page_that_answers_nothing(tmp_path):
    record, page = page_of(write_fit(tmp_path / "Mg"), tmp_path / "out")
    assert record["answer"] is None and "study: no record was found" in record["missing"]
    assert {"fit-parameters", "fit-errors"} == set(record["figures"])
    assert "1 of 2 parameters are identified by the data; not C Mg-Al; at a bound: C Mg-Al." in page
    assert "0.17337" in page and "1.74" in page and "answers nothing about the boundary" in page
    with (tmp_path / "out" / "figures" / "fit-parameters.csv").open() as file:
        assert next(csv.DictReader(file))["value"] == "0.1733655813527802"


def truncate_table(run):
    path = run / "summary" / "items" / "09-densities" / "table.csv"
    path.write_text(path.read_text()[:-40])
    return "09-densities/table.csv: is not what the study wrote"


def truncate_record(run):
    path = run / "summary" / "study.json"
    path.write_text(path.read_text()[:1000])
    return "study.json: the whole file: Invalid JSON"


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
    return "study.json: tasks: Field required"


@pytest.mark.parametrize("harm", [truncate_table, truncate_record, remove_table, change_structure, drop_key])
def test_a_damaged_record_is_refused_with_its_file(harm, tmp_path):
    run = write_study(tmp_path / "run")
    expected = harm(run)
    with pytest.raises(ConfigError) as refusal:
        page_of(run, tmp_path / "out")
    assert expected in str(refusal.value) and "\n" not in str(refusal.value)
    assert not (tmp_path / "out" / "report.html").exists()


def dopantfit(*arguments):
    command = [sys.executable, "-m", "dopantfit.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_folder_without_records_is_one_line_and_status_2(tmp_path):
    for folder, words in ((tmp_path, "has no study.json"), (tmp_path / "none", "is no folder")):
        done = dopantfit("report", folder)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.count("\n") == 1 and words in done.stderr


def test_the_command_writes_into_the_folder_and_prints_json(tmp_path):
    run = write_study(tmp_path / "run", ("11-walkers",))
    done = dopantfit("report", run, "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["page"] == str(run / "report" / "report.html") and printed["answer"] == "no"
    assert (run / "report" / "report.html").stat().st_size == printed["bytes"]
    assert "study.json" in printed["record"]["inputs"]
