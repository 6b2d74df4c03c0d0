"""An output never takes the place of an input, of another output, or of anything that is no file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dopantfit.errors import ConfigError
from dopantfit.workflow.outputs import check_outputs
from dopantfit.workflow.provenance import write_bytes_atomic


def refused(words, outputs, inputs=()):
    with pytest.raises(ConfigError) as caught:
        check_outputs(outputs, inputs)
    assert words in str(caught.value)


@pytest.mark.parametrize("spelling", ["run.dcd", "./run.dcd", "sub/../run.dcd", "link.dcd", "hard.dcd"])
def test_an_output_that_is_an_input_is_refused_by_every_spelling(spelling, tmp_path):
    run = tmp_path / "run.dcd"
    run.write_bytes(b"frames")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.dcd").symlink_to(run)
    os.link(run, tmp_path / "hard.dcd")
    refused("is an input of this command", {"--output": f"{tmp_path}/{spelling}"}, [None, run])
    assert run.read_bytes() == b"frames"


def test_one_file_for_two_outputs_is_refused(tmp_path):
    names = {"--output": tmp_path / "x.png", "--figure": f"{tmp_path}/./x.png", "--mesh": None}
    refused("is the file that --output names", names)
    check_outputs({**names, "--figure": tmp_path / "y.png"}, [])


def test_a_figure_of_no_format_and_a_folder_that_is_not_there_are_found_before_the_work(tmp_path):
    refused("its suffix names no format", {"--figure": tmp_path / "x.xyz"})
    refused("no folder", {"--output": tmp_path / "none" / "x.csv"})
    refused("null", {"--output": f"{tmp_path}/a\0b"})


@pytest.mark.parametrize(("kind", "word"), [("pipe", "a pipe"), ("link", "a link"), ("folder", "a folder")])
def test_only_a_regular_file_is_replaced(kind, word, tmp_path):
    target = tmp_path / "target"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "elsewhere")
    before = os.lstat(target)
    with pytest.raises(ConfigError, match=f"is {word}, and only files are replaced"):
        write_bytes_atomic(target, b"numbers")
    assert os.lstat(target).st_mode == before.st_mode and os.lstat(target).st_ino == before.st_ino
    assert sorted(path.name for path in tmp_path.iterdir()) == ["target"]
    # Looked at only: a test must not be able to replace a device.
    refused("is a device", {"--output": "/dev/null"})


def test_a_potential_is_not_written_over_itself(tmp_path):
    from dopantfit.potential import Potential

    mine = tmp_path / "mine.toml"
    Potential.load("latp-2021").save(mine)
    before = mine.read_bytes()
    for verb, option in (("export", "--output"), ("show", "--plot")):
        command = [sys.executable, "-m", "dopantfit.cli", "potential", verb, mine, option, mine]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "is an input of this command" in done.stderr
        assert Path(mine).read_bytes() == before
