"""A journal is believed up to the first line that is not what was written."""

import json

import pytest

from dopantfit.errors import ConfigError
from dopantfit.workflow.journal import Journal


def entries(path, key="search"):
    journal = Journal(path, key)
    return [journal[number] for number in range(len(journal))]


@pytest.fixture
def path(tmp_path):
    journal = Journal(tmp_path / "journal", "search")
    for number in range(4):
        journal.add({"cost": 1.5 * number, "text": "Å"})
    return tmp_path / "journal"


def test_a_journal_tells_what_was_written(path):
    assert entries(path) == [{"cost": 1.5 * number, "text": "Å"} for number in range(4)]
    assert entries(path, "another search") == []


@pytest.mark.parametrize(
    "harm",
    [
        lambda line: line.replace('"cost": 3.0', '"cost": 0.0'),
        lambda line: line.replace('"cost": 3.0', '"cost": Infinity'),
        lambda line: line[:-9],
        lambda line: "",
        lambda line: "null",
        lambda line: "\x00\ud800[[[",
    ],
)
def test_what_follows_a_harmed_line_is_not_believed_and_is_written_anew(path, harm):
    lines = path.read_text(encoding="utf-8").splitlines()
    whole = path.read_bytes()
    lines[3] = harm(lines[3])
    path.write_bytes("\n".join([*lines, ""]).encode("utf-8", errors="surrogatepass"))
    assert [one["cost"] for one in entries(path)] == [0.0, 1.5]
    journal = Journal(path, "search")
    for number in (2, 3):
        journal.add({"cost": 1.5 * number, "text": "Å"})
    assert path.read_bytes() == whole


def test_a_line_that_was_taken_out_ends_what_is_believed(path):
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:2], *lines[3:]]), encoding="utf-8")
    assert [one["cost"] for one in entries(path)] == [0.0]


def test_a_journal_that_cannot_be_kept_is_refused_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        Journal(tmp_path, "search")
    with pytest.raises(ConfigError, match="cannot be written"):
        Journal(tmp_path / "none" / "journal", "search")
    assert json.dumps(entries(None)) == "[]"
