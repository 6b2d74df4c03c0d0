"""Dopants side by side: those first of which most is decided, from records only."""

import base64
import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dopantfit.cli import app
from dopantfit.errors import ConfigError
from dopantfit.report.dopants import cells_of, columns_of, compare_dopants
from dopantfit.report.dopants_page import write_page
from dopantfit.statistics import student_quantile
from dopantfit.workflow.provenance import sha256_of

ROOT = Path(__file__).parents[2]


def test_a_fit_without_a_record_comes_after_one_with_a_verdict(tmp_path):
    new = tmp_path / "Zz"
    new.mkdir()
    shutil.copy(ROOT / "fits" / "Mg" / "fit.toml", new)
    rows = compare_dopants([new, ROOT / "fits" / "Mg"])
    assert [row.dopant for row in rows] == ["Mg", "Zz"]
    record = json.loads((ROOT / "fits" / "Mg" / "fit.json").read_text())
    forces = record["errors"]["fitted"]["held_out"]["forces"]
    (of_mg,) = [one["rms_error"] for one in forces if one["kind"] == "species" and one["name"] == "Mg"]
    assert rows[0].forces["Mg"] == of_mg
    study = json.loads((ROOT / "fits" / "Mg" / "study" / "study.json").read_text())
    assert rows[0].verdict == study["verdict"]["answer"] and len(rows[0].requirements) == 3
    assert rows[1].verdict == "no fit yet" and rows[1].gates == "not validated"


def test_the_verb_writes_a_page_and_prints_json(tmp_path):
    page = tmp_path / "page.html"
    result = CliRunner().invoke(app, ["compare", str(ROOT / "fits" / "Mg"), "--output", str(page), "--json"])
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)["dopants"]
    assert f"<td>{row['dopant']} +2</td>" in page.read_text()


def test_markdown_has_a_column_a_fit_and_no_quantity_that_nothing_is_known_of(tmp_path):
    folders = [str(ROOT / "fits" / name) for name in ("Mg", "Ga")]
    done = CliRunner().invoke(app, ["compare", *folders, "--markdown", "--output", str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    head, rule, *lines = done.stdout.splitlines()
    assert sorted(head.strip("| ").split(" | ")) == ["Ga +3", "Mg +2", "dopant"] and rule == "|---|---|---|"
    rows = dict(line.strip("| ").split(" | ", 1) for line in lines)
    assert "gates" in rows and all(set(row.split(" | ")) - {"", "unknown"} for row in rows.values())
    # A quantity of an absolute value has bars of its own, which are no borders of cells.
    assert all(len(line.replace("\\|", "").split("|")) == 5 for line in (head, *lines))


def test_fits_of_one_dopant_are_told_apart_and_exchange_energies_stand_by_partner():
    rows = compare_dopants([ROOT / "fits" / name for name in ("Mg", "LATP-Mg", "Ga")])
    columns = columns_of(rows)
    cells = {row.folder: dict(zip(columns, cells_of(row, columns, rows), strict=True)) for row in rows}
    assert sorted(one["dopant"] for one in cells.values()) == ["Ga +3", "Mg +2, LATP-Mg", "Mg +2, Mg"]
    (ga,) = [row for row in rows if row.dopant == "Ga"]
    outcomes = json.loads((ROOT / "fits" / "Ga" / "fit.json").read_text())["exchanges"]["energies"]
    with_li = [one for one in outcomes if one["partner"] == "Li"]
    fitted, reference = (sum(found) / len(with_li) for found in zip(*(_both(one) for one in with_li), strict=True))
    means = ga.exchanges["Li"]
    assert (means.fitted, means.reference, means.at_rest, means.all) == pytest.approx((fitted, reference, 3, 3))
    (told,) = [text for name, text in cells[ga.folder].items() if name.startswith("mean exchange energy")]
    assert f"Li {fitted:+.2f} ({reference:+.2f})" in told
    (boron,) = compare_dopants([ROOT / "fits" / "B"])
    assert str(boron.exchanges["Al"]).endswith(", 1 of 2 at rest)")


def _both(outcome):
    return outcome["energies"]["fitted"], outcome["reference"]


def with_spectra(fit, *quenches, dopant="Zn"):
    """A copy of a kept fit with spectra as a study keeps them: ratio at 500 and 1000 K, carriers; one a quench."""
    shutil.copytree(ROOT / "fits" / dopant, fit)
    file = fit / "study" / "study.json"
    content = json.loads(file.read_text())
    for name, task in content["tasks"].items():
        if task["files"].pop("run/grain.csv", None):
            (fit / "study" / name / "run" / "grain.csv").unlink()
    for number, (cold, hot, carriers) in enumerate(quenches, start=1):
        name = "spectrum/GB_1" if number == 1 else f"quench-{number}/spectrum/GB_1"
        table = fit / "study" / name / "run" / "grain.csv"
        table.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            f"spectrum,{kelvin},{ratio},{ratio / 1.01},{ratio * 1.01},,,{carriers}"
            for kelvin, ratio in ((500.0, cold), (1000.0, hot))
        ]
        head = "of,temperature_K,value,low,high,low_with_force_field,high_with_force_field,carriers"
        table.write_text("\n".join([head, *rows]) + "\n")
        content["tasks"][name]["files"]["run/grain.csv"] = sha256_of(table)
    file.write_text(json.dumps(content))
    return fit


def test_the_share_in_the_grain_is_the_mean_logarithm_of_the_boundaries_whose_spectra_count(tmp_path):
    counted = [(1e-4, 1e-3, 5.0), (1e-3, 1e-2, 5.0), (1e-2, 1e-1, 5.0)]
    (row,) = compare_dopants([with_spectra(tmp_path / "Zn", *counted, (1e-30, 1e-20, 1.0))])
    cold, hot = row.grain_shares
    assert [one.temperature_K for one in row.grain_shares] == [500.0, 1000.0] and cold.counts and hot.counts
    # Their own errors, 1 %, are nothing beside the spread, a factor of ten; 1e-4 of it is what they weigh.
    assert [cold.ratio.value, hot.ratio.value] == pytest.approx([1e-3, 1e-2], rel=1e-3)
    half = student_quantile(2) * np.log(10.0) / np.sqrt(3.0)
    assert np.log(hot.ratio.high / hot.ratio.value) == pytest.approx(half, rel=1e-3)
    assert row.grain_limit == 0.2
    (few,) = compare_dopants([with_spectra(tmp_path / "few" / "Zn", (1e-4, 1e-3, 1.0))])
    assert [one.counts for one in few.grain_shares] == [False, False]
    assert few.grain_shares[1].ratio.as_dict() == {"value": 1e-3, "low": 1e-3 / 1.01, "high": 1e-3 * 1.01}
    told = [text for name, text in few.numbers.items() if "1000 K" in name]
    assert told == ["0.00100 (0.000990 to 0.00101), too few sites"]


def test_the_page_draws_shares_and_every_check_with_their_numbers(tmp_path):
    page = tmp_path / "compare.html"
    none = with_spectra(tmp_path / "Ga", dopant="Ga")
    rows = compare_dopants([with_spectra(tmp_path / "Zn", (1e-4, 1e-3, 5.0), (1e-3, 1e-2, 5.0)), none])
    write_page(rows, page)
    text = page.read_text()
    drawn = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)"[^>]*data-figure="([^"]+)"', text)
    quantities = list(dict.fromkeys(name for row in rows for name in row.checks))
    assert [name for _, name in drawn] == ["grain-shares", *(f"check-{n + 1}" for n in range(len(quantities)))]
    assert all(base64.b64decode(image).rstrip().endswith(b"</svg>") for image, _ in drawn)
    tables = [
        list(csv.DictReader(base64.b64decode(table).decode().splitlines()))
        for table in re.findall(r'href="data:text/csv;base64,([^"]+)"', text)
    ]
    assert [(row["dopant"], row["temperature_K"], row["limit"]) for row in tables[0]] == [
        ("Zn +2", "500.0", "0.2"),
        ("Zn +2", "1000.0", "0.2"),
    ]
    for quantity, table in zip(quantities, tables[1:], strict=True):
        for row, told in zip(rows, table, strict=True):
            interval = row.checks[quantity].interval
            assert told["dopant"] == row.name and told["quantity"] == quantity
            assert float(told["low"]) == interval.low and float(told["high"]) == interval.high
    # Of Ga no spectra are kept, and the page says so.
    assert "No spectra are kept of Ga +3:" in text


def test_a_spectrum_that_was_edited_is_refused(tmp_path):
    fit = with_spectra(tmp_path / "Zn", (1e-4, 1e-3, 5.0))
    with (fit / "study/spectrum/GB_1/run/grain.csv").open("a") as table:
        table.write("spectrum,1500.0,1,1,1,,,5\n")
    with pytest.raises(ConfigError, match=r"spectrum/GB_1/run/grain\.csv: is not what the study wrote; run"):
        compare_dopants([fit])


def test_the_page_of_before_is_no_fit_and_is_passed_over(tmp_path):
    shutil.copytree(ROOT / "fits" / "NZP", tmp_path / "NZP")
    for _ in range(2):
        done = CliRunner().invoke(app, ["compare", *map(str, sorted(tmp_path.iterdir()))])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "compare.html").is_file()


def test_a_folder_that_is_no_fit_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no fit\.toml"):
        compare_dopants([tmp_path])
