"""Dopants side by side: those first of which most is decided, from records only."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dopantfit.cli import app
from dopantfit.errors import ConfigError
from dopantfit.report.dopants import cells_of, columns_of, compare_dopants

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


def test_a_folder_that_is_no_fit_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no fit\.toml"):
        compare_dopants([tmp_path])
