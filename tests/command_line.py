"""The program called in this process: the words, the output and the status of one of its own, which takes a second."""

import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper

from dopantfit.cli import main


def dopantfit(*words: object) -> "subprocess.CompletedProcess[str]":
    """Call ``dopantfit`` with these words; every verb is also called in a process of its own by some test."""
    out, err = (TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    before, status = sys.argv, 0
    sys.argv = ["dopantfit", *map(str, words)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        sys.argv = before
    said, refused = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(words, status, said, refused)
