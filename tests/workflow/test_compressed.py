"""Text is read as it is or decompressed, whatever it is called, and damage is one error."""

import bz2
import gzip
import lzma
import zipfile

import pytest

from dopantfit.errors import ConfigError
from dopantfit.workflow.compressed import is_compressed, open_text, plain_name

TEXT = "frame é 1\n" * 5000
KINDS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def read(path):
    with open_text(path) as stream:
        return stream.read()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["run.txt.{}", "run.txt"])
def test_compressed_text_is_the_text_whatever_its_name(kind, name, tmp_path):
    path = tmp_path / name.format(kind)
    path.write_bytes(KINDS[kind](TEXT.encode()))
    assert read(path) == TEXT and is_compressed(path)
    assert plain_name(path) == "run.txt"


def test_plain_text_is_itself(tmp_path):
    (tmp_path / "run.gz").write_text(TEXT, encoding="utf-8")
    assert read(tmp_path / "run.gz") == TEXT and not is_compressed(tmp_path / "run.gz")


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_a_refusal(kind, tmp_path):
    whole = KINDS[kind](TEXT.encode())
    for name, content in (("cut", whole[:-20]), ("changed", whole[:40] + b"????" + whole[44:])):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"damaged"):
            read(path)


def test_other_archives_missing_files_and_folders_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("run.txt", TEXT)
    for path, words in ((tmp_path / "a.zip", "unzip"), (tmp_path / "none", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ConfigError, match=words):
            read(path)
