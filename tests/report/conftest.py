"""Studies with known answers for the tests of the report."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_up_study import ions, write_study


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole study; read only."""
    return write_study(tmp_path_factory.mktemp("study") / "run")


@pytest.fixture
def make_ions() -> Callable[..., Any]:
    """Random ions in a long cell."""
    return ions


@pytest.fixture
def edit_study() -> Callable[[Path, Callable[[dict[str, Any]], None]], None]:
    """Change study.json of a run folder and of its summary."""

    def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
        for path in (folder / "study.json", folder / "summary" / "study.json"):
            content = json.loads(path.read_text())
            change(content)
            path.write_text(json.dumps(content))

    return edit
