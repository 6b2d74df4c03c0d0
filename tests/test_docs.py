"""The documentation is whole: every page can be reached, every room has its own, and what is said of imports is so."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "dopantfit"
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
NAVIGATION = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.MULTILINE)
API = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.md"))
DOCUMENTED = set(re.findall(r"^::: dopantfit\.?(\w*)", API, flags=re.MULTILINE))
FILES = {path: path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
ROOMS = sorted(set(FILES.values()) - {"__init__", "__main__"})
HAS_MKDOCS = importlib.util.find_spec("mkdocs") and importlib.util.find_spec("mkdocstrings")


def rooms_imported_by(room):
    """Return the other rooms that a room's modules import, wherever in them the imports stand."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path, of in FILES.items() if of == room]
    found = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        found |= {name.split(".")[1] for name in names if name.startswith("dopantfit.")}
    return sorted(found & set(ROOMS) - {room})


def test_every_page_is_in_the_navigation_once():
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    of_the_root = ["index.md", "contributing.md", "changelog.md"]
    assert sorted(NAVIGATION) == sorted([*pages, *of_the_root]), "nav of mkdocs.yml lists every page of docs/ once"
    assert NAVIGATION[0] == "index.md"


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_an_api_page(room):
    assert room in DOCUMENTED


@pytest.mark.parametrize("room", ROOMS)
def test_the_architecture_says_what_a_room_imports(room):
    section = re.search(rf"^### {room}\n(.*?)(?=^##|\Z)", ARCHITECTURE, flags=re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/architecture.md has no section on {room}"
    said = " ".join(section[1].split()).rpartition("Imports: ")[2]
    assert said == f"{', '.join(rooms_imported_by(room)) or 'nothing'}."


def test_a_parameter_is_followed_to_the_kernel_in_six_files():
    section = re.search(r"^## One parameter, followed\n(.*?)(?=^##|\Z)", ARCHITECTURE, flags=re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| `(\S+)` \| (.*?) \|", section[1], flags=re.MULTILINE)
    assert len(rows) == 6
    for file, names in rows[1:]:
        text = (PACKAGE / file).read_text(encoding="utf-8")
        for name in re.findall(r"`(?:\w+\.)?(\w+)`", names):
            assert re.search(rf"^ *(class|def) {name}\b", text, flags=re.MULTILINE), f"{file} has no {name}"


@pytest.mark.slow
@pytest.mark.skipif(not HAS_MKDOCS, reason="mkdocs-material and mkdocstrings come with the extra `docs`")
def test_the_pages_build_without_a_warning_and_ask_no_other_server(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "api" / "fit.html").read_text(encoding="utf-8")
    assert "dopantfit.fit.config" in page and "Where the fit starts" in page
    loaded = re.compile(r'<(?:script|link|img)[^>]*(?:src|href)="https?://[^"]*"')
    assert [match for path in tmp_path.rglob("*.html") for match in loaded.findall(path.read_text("utf-8"))] == []
