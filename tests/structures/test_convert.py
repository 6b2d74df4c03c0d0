"""A crystal that people give is read from any format, or refused in one line."""

import os

import pytest
from ase.build import bulk
from ase.io import write

from dopantfit.errors import ConfigError
from dopantfit.structures.convert import read_crystal


@pytest.mark.parametrize("name", ["mgo.cif", "mgo.extxyz"])
def test_a_crystal_is_read_whatever_its_format(tmp_path, name):
    crystal = bulk("MgO", "rocksalt", a=4.21, cubic=True)
    write(tmp_path / name, crystal)
    found = read_crystal(tmp_path / name)
    assert sorted(found.symbols) == sorted(crystal.symbols) and found.pbc.all()
    assert found.cell.volume == pytest.approx(crystal.cell.volume)


def test_of_several_configurations_the_last_is_taken(tmp_path):
    write(tmp_path / "two.extxyz", [bulk("Cu"), bulk("Al")])
    assert str(read_crystal(tmp_path / "two.extxyz").symbols) == "Al"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.cif", None, "cannot be read"),
        ("none.extxyz", None, "cannot be read"),
        ("words.vasp", "no\ncrystal\nat all\n", "is no structure that ASE reads"),
        ("open.xyz", "1\nno cell\nMg 0 0 0\n", "is not periodic in three dimensions"),
    ],
)
def test_what_is_no_crystal_is_one_line_with_its_file(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=said) as caught:
        read_crystal(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["pipe.cif", "pipe.extxyz"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(ConfigError, match="is a pipe, and no file"):
        read_crystal(tmp_path / name)
