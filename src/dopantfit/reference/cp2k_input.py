"""The language of CP2K inputs: sections, keywords, comments, variables, conditions and included files.

As https://manual.cp2k.org describes it (preprocessor directives ``@SET``, ``@IF``, ``@INCLUDE``, ``@PRINT``).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dopantfit.errors import ReferenceDataError
from dopantfit.reference.text_files import compressed_or_not, file_text

#: Files that include each other deeper than this include themselves.
_DEEPEST = 20
#: ``${NAME}``, ``${NAME-default}`` and ``$NAME``.
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?:-([^}]*))?\}|(\w+))")
#: A quoted string, or the start of a comment.
_COMMENT = re.compile(r"""("[^"]*"|'[^']*')|[!#].*""")


@dataclass
class Section:
    """A section of an input: its name in capitals, its parameter, its lines and the sections in it, in order.

    lines: each as its words.
    """

    name: str
    parameter: str = ""
    lines: list[list[str]] = field(default_factory=list)
    sections: list["Section"] = field(default_factory=list)

    def all(self, name: str) -> list["Section"]:
        """Return the sections of a name that stand directly in this one."""
        return [section for section in self.sections if section.name == name]

    def first(self, *path: str) -> "Section":
        """Return the first section below this one, name by name; an empty one where it is not there."""
        section = self
        for name in path:
            section = next(iter(section.all(name)), Section(name))
        return section

    def value(self, *keywords: str) -> list[str] | None:
        """Return the words behind a keyword, which may have several spellings; None where it is not there."""
        return next((line[1:] for line in self.lines if line[0].upper() in keywords), None)

    def is_on(self, keyword: str) -> bool:
        """Return whether a logical keyword is there and on; on is also what stands there without a value."""
        value = self.value(keyword)
        return value is not None and (not value or value[0].upper().strip(".") in {"T", "TRUE", "YES", "ON"})


def read_input(path: Path) -> Section:
    """Return the sections of a CP2K input, with what it includes, below a section without a name.

    Raises ReferenceDataError when a file cannot be read or its sections are not closed.
    """
    root = Section("")
    stack = [root]
    for where, line in _Preprocessor({}).lines(path, 0):
        words = line.split()
        if not words[0].startswith("&"):
            stack[-1].lines.append(words)
        elif words[0].upper() == "&END":
            name = words[1].upper() if len(words) > 1 else stack[-1].name
            if len(stack) == 1 or name.lstrip("&") != stack[-1].name:
                raise ReferenceDataError(f"{where}: {line!r} closes no section; is the input whole?")
            stack.pop()
        else:
            section = Section(words[0][1:].upper(), " ".join(words[1:]))
            stack[-1].sections.append(section)
            stack.append(section)
    if len(stack) > 1:
        raise ReferenceDataError(f"{path}: section &{stack[-1].name} is not closed; is the input whole?")
    return root


@dataclass
class _Preprocessor:
    """What the lines of an input are after its directives. variables: set so far, by name in capitals."""

    variables: dict[str, str]

    def lines(self, path: Path, depth: int) -> Iterator[tuple[str, str]]:
        """Yield where a line stands and the line, without comments, directives and blank lines."""
        if depth > _DEEPEST:
            raise ReferenceDataError(f"{path}: includes itself; mend the input, or import the frames as extended XYZ")
        active = True
        for where, line in _joined(path):
            directive, _, rest = line.partition(" ")
            if directive.upper() == "@ENDIF":
                active = True
            elif not active:
                continue
            elif directive.upper() == "@IF":
                active = _holds(self.substituted(rest, where))
            elif directive.upper() == "@SET":
                name, _, value = rest.strip().partition(" ")
                self.variables[name.upper()] = self.substituted(value.strip(), where)
            elif directive.upper() == "@INCLUDE":
                name = self.substituted(rest, where).strip().strip("'\"")
                yield from self.lines(beside(path, name), depth + 1)
            elif directive.upper() in ("@PRINT", "@XCTYPE", "@"):
                continue  # says nothing of the geometry
            elif directive.startswith("@"):
                raise ReferenceDataError(f"{where}: {directive} is no directive that is known here; write it out")
            else:
                yield where, self.substituted(line, where)

    def substituted(self, text: str, where: str) -> str:
        """Return the text with the values of its variables."""

        def value(match: re.Match[str]) -> str:
            name = match[1] or match[3]
            found = self.variables.get(name.upper(), match[2])
            if found is None:
                raise ReferenceDataError(f"{where}: the variable {name} is not set before it is used")
            return found

        return _VARIABLE.sub(value, text)


def beside(path: Path, name: str) -> Path:
    """Return the file that an input calls ``name``: where it says, else one of this name beside the input."""
    named = compressed_or_not(path.parent / name)
    return named if named.is_file() else compressed_or_not(path.parent / Path(name).name)


def _joined(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the lines of a file that hold something: comments cut off, those that end in a backslash joined."""
    if not path.is_file():
        raise ReferenceDataError(f"{path}: the input of the run cannot be read; copy it there")
    text = file_text(path)
    before = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = before + _COMMENT.sub(lambda match: match[1] or "", raw).strip()
        if line.endswith("\\"):
            before = line[:-1] + " "
            continue
        before = ""
        if line.strip():
            yield f"{path}: line {number}", line.strip()


def _holds(condition: str) -> bool:
    plain = condition.strip().strip("()").strip()
    for sign in ("==", "/="):
        left, found, right = plain.partition(sign)
        if found:
            return (left.strip() == right.strip()) is (sign == "==")
    return plain not in ("", "0")
