"""Files that appear together, folders that are somebody's, and names that are one folder."""

import os

import pytest

from dopantfit.errors import ConfigError
from dopantfit.workflow.folders import in_place_of, make_folder, replace_folder, together
from dopantfit.workflow.lock import held, run_folder
from dopantfit.workflow.names import default_run, folder_name


@pytest.fixture
def fit(tmp_path):
    """What an earlier fit left, and a file of somebody else."""
    (tmp_path / "levels").mkdir()
    for name in ("potential", "record", "levels/1", "levels/2", "notes"):
        (tmp_path / name).write_text("old")
    return tmp_path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("new")


def test_files_take_the_place_of_older_ones_together_and_others_stay(fit):
    with together(fit, "record", ["levels/*"]) as new:
        write(new, "potential", "record", "levels/1")
    assert contents(fit) == {"potential": "new", "record": "new", "levels/1": "new", "notes": "old"}


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device", "levels/1"), KeyboardInterrupt()])
def test_where_one_cannot_be_made_none_is_there_and_the_older_ones_stay(fit, problem):
    before = contents(fit)
    with pytest.raises((ConfigError, KeyboardInterrupt), match=r"No space left|^$"):
        with together(fit, "record", ["levels/*"]) as new:
            write(new, "potential")
            raise problem
    assert contents(fit) == before


def test_where_the_record_is_all_are_those_it_tells_of(fit, monkeypatch):
    replace = os.replace

    def die_at_the_last(source, target):
        if str(target).endswith("record"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", die_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        with together(fit, "record") as new:
            write(new, "potential", "record")
    assert "record" not in contents(fit) and contents(fit)["potential"] == "new"


def test_a_folder_takes_the_place_of_another_once_it_is_filled(tmp_path):
    with in_place_of(tmp_path / "kept") as new:
        write(new, "first")
    with in_place_of(tmp_path / "kept") as new:
        write(new, "second")
    assert contents(tmp_path) == {"kept/second": "new"}
    with pytest.raises(OSError):
        replace_folder(tmp_path / "none", tmp_path / "kept")
    assert contents(tmp_path) == {"kept/second": "new"}


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "run", tmp_path / "file", tmp_path / "a\0b", tmp_path / ("a" * 300)):
        with pytest.raises(ConfigError, match="cannot be made") as caught:
            make_folder(path)
        assert "\n" not in str(caught.value)


def test_a_run_folder_belongs_to_one_file_until_that_is_gone(tmp_path):
    run, mine, other = tmp_path / "run", tmp_path / "mine" / "study.toml", tmp_path / "other" / "study.toml"
    for path in (mine, other):
        write(path.parent, path.name)
    with run_folder(run, mine):
        pass
    with run_folder(run, tmp_path / "other" / ".." / "mine" / "study.toml"):
        with pytest.raises(ConfigError, match="is working there"), held(run):
            pass
    with pytest.raises(ConfigError, match=r"holds the work of .*mine.*, not of .*other"), run_folder(run, other):
        pass
    mine.unlink()
    with run_folder(run, other):
        pass


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "..", ".hidden", "", "  ", "a\0b", "a\nb", "-rf", "a" * 300, "a\\b"]
)
def test_a_name_that_leads_elsewhere_is_no_name_of_a_folder(name):
    with pytest.raises(ValueError):
        folder_name(name)
    with pytest.raises(ConfigError, match="name"):
        default_run("fit", name)


def test_names_of_people_are_names():
    assert (
        str(default_run("validate", "Mg in LATP (2nd)", "π+Å", "quick")) == "runs/validate-Mg in LATP (2nd)-π+Å-quick"
    )
