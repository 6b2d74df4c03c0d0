"""``design.json``: the kept one is of the format that is read, and one of before says what to do."""

import json
from pathlib import Path

import pytest

from dopantfit.design.record import DesignRecord
from dopantfit.errors import ConfigError

KEPT = Path(__file__).parents[2] / "fits/Mg/design"


def test_the_kept_design_is_of_the_format_that_is_read():
    record = DesignRecord.read(KEPT / "design.json")
    assert {one.status for one in record.trials} == {"front", "possible", "dominated"}
    assert (KEPT / "figures/front.csv").read_text().split(",")[2] == "status"


def test_a_design_of_the_format_before_says_what_to_do(tmp_path):
    content = json.loads((KEPT / "design.json").read_text())
    old = {**content, "format": 1, "trials": [{**one, "standing": one.pop("status")} for one in content["trials"]]}
    (tmp_path / "design.json").write_text(json.dumps(old))
    with pytest.raises(ConfigError, match=r"design\.json: is a record of a design of format 1, expected 2.*run `dopan"):
        DesignRecord.read(tmp_path / "design.json")
