"""What `make docs` adds to the pages of this folder.

README, CONTRIBUTING and CHANGELOG stand at the root of the repository, where its visitors look for them, and are pages
of the site too. Docstrings are written as the house writes them; `Docstrings` says what of them is a list.
"""

import posixpath
import re
from pathlib import Path

from griffe import Attribute, Docstring, Extension, Object
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
#: Pages of the site that are files of the root.
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")
#: Arguments at the start of a line of a docstring: "path:", "workers, site:".
_ARGUMENT = re.compile(r"^(\w+(?:, \w+)*): (?=\S)")
_COMMENT = re.compile(r"\s*#: ?(.*)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root, and whatever file of the repository they link to."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        for target in sorted(set(_LINK.findall(text))):
            if place_of(target) == target:
                files.append(File.generated(config, target, abs_src_path=str(ROOT / target)))
        text = _LINK.sub(lambda match: place_of(match[1]), text)
        files.append(File.generated(config, page, content=text))
    return files


def place_of(target: str) -> str:
    """Return where a file of the repository stands in the site."""
    pages = {source: page for page, source in PAGES.items()}
    return pages.get(target) or (posixpath.relpath(target, "docs") if target.startswith("docs/") else target)


class Docstrings(Extension):
    """Docstrings with their arguments as lists, and fields with the comment (``#:``) above them as docstring."""

    def on_attribute(self, *, attr: Attribute, **_: object) -> None:
        """Take the comment above a field or constant as its docstring."""
        if attr.docstring is None and attr.lineno is not None and (above := self._comment(attr)):
            attr.docstring = Docstring(above, parent=attr)

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Put lines that begin with the names of arguments into a list."""
        if obj.docstring is not None:
            obj.docstring.value = listed(obj.docstring.value)

    @staticmethod
    def _comment(attr: Attribute) -> str:
        lines = attr.lines_collection[attr.filepath]
        found: list[str] = []
        for line in reversed(lines[: attr.lineno - 1]):
            if (match := _COMMENT.fullmatch(line)) is None:
                break
            found.insert(0, match[1])
        return "\n".join(found)


def listed(docstring: str) -> str:
    """Return a docstring with its lines "name: text" as items of a list; what is indented below belongs to its item."""
    lines: list[str] = []
    inside = False
    for line in docstring.splitlines():
        starts = _ARGUMENT.match(line) is not None
        goes_on = inside and line.startswith("    ")
        if starts != inside and not goes_on and lines and lines[-1]:
            lines.append("")
        inside = starts or goes_on
        lines.append(_ARGUMENT.sub(r"- **\1**: ", line))
    return "\n".join(lines)
