"""The house in numbers, of this checkout and of another one beside it: lines, circles, names, types, time of --help.

    python benchmarks/house.py                      this checkout
    python benchmarks/house.py --against ../before  another one too, its commands run in turn with ours

Times are those of the processor, medians of nine, so that what else the machine does hardly matters.
"""

import argparse
import ast
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parents[1]
TIMES = 9


def trees(root: Path) -> dict[str, ast.Module]:
    """Every module of a checkout, by its dotted name."""
    found = {}
    for path in sorted((root / "src" / "dopantfit").rglob("*.py")):
        parts = path.relative_to(root / "src").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def lines(root: Path) -> int:
    """Lines of Python."""
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in (root / "src").rglob("*.py"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Names that a module imports, wherever in it the imports stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def in_circles(modules: dict[str, ast.Module]) -> int:
    """Modules that import each other in a circle, and those between circles."""
    needs = {}
    for name, tree in modules.items():
        found = {one if one in modules else one.rpartition(".")[0] for one in imported(tree)}
        needs[name] = (found & modules.keys()) - {name}
    left = set(modules)
    while True:
        needed = {other for name in left for other in needs[name]}
        ends = {name for name in left if name not in needed or not needs[name] & left}
        if not ends:
            return len(left)
        left -= ends


def twice(modules: dict[str, ast.Module]) -> list[str]:
    """Names of classes, without the private ones, that stand in more than one place."""
    names = [
        node.name
        for tree in modules.values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    return sorted(name for name, count in Counter(names).items() if count > 1)


def anything(modules: dict[str, ast.Module], within: str) -> int:
    """How often a type is `Any`, in modules whose name begins so."""
    return sum(
        isinstance(node, ast.Name) and node.id == "Any"
        for name, tree in modules.items()
        if name.startswith(within)
        for node in ast.walk(tree)
    )


def help_times(roots: list[Path]) -> list[float]:
    """Processor time of --help [s] of every checkout, one after the other and again."""
    found: list[list[float]] = [[] for _ in roots]
    for _ in range(TIMES):
        for root, times in zip(roots, found, strict=True):
            before = os.times()
            environment = {**os.environ, "PYTHONPATH": str(root / "src")}
            command = [sys.executable, "-m", "dopantfit.cli", "--help"]
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            after = os.times()
            times.append(after[2] + after[3] - before[2] - before[3])
    return [statistics.median(times) for times in found]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another checkout of the repository")
    against = parser.parse_args().against
    roots = [HERE] if against is None else [HERE, against.resolve()]
    rows: dict[str, list[str]] = {}
    for root in roots:
        modules, package = trees(root), "dopantfit"
        names = twice(modules)
        for what, value in {
            "modules": len(modules),
            "lines": lines(root),
            "modules in circles of imports": in_circles(modules),
            "classes whose name stands twice": f"{len(names)} {', '.join(names)}".strip(),
            "Any in study": anything(modules, f"{package}.study"),
            "Any elsewhere": anything(modules, package) - anything(modules, f"{package}.study"),
        }.items():
            rows.setdefault(what, []).append(f"{value:,}" if isinstance(value, int) else value)
    rows["--help (s of processor)"] = [f"{one:.2f}" for one in help_times(roots)]
    table = Table("", *(str(root.name) for root in roots))
    for what, values in rows.items():
        table.add_row(what, *values)
    Console().print(table)


if __name__ == "__main__":
    main()
