"""Write what `dopantfit compare` prints of the fits with a study into README.md, as `make readme` does.

With --check, only say if it differs.
"""

import re
import sys
from pathlib import Path

from dopantfit.report.dopants import compare_dopants, markdown_of

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
#: Between two comments of Markdown, the first of which says which fits are meant.
BLOCK = re.compile(r"(<!-- dopantfit compare (?P<fits>.*?) --markdown -->\n)(?P<table>.*?)(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Return the exit status: 1 where --check finds another table, or the comments are not there."""
    text = README.read_text(encoding="utf-8")
    found = BLOCK.search(text)
    if found is None:
        print("README.md: holds no comment `<!-- dopantfit compare ... --markdown -->`; put it back", file=sys.stderr)
        return 1
    table = markdown_of(compare_dopants([ROOT / one for one in found["fits"].split()]))
    if "--check" in sys.argv[1:]:
        if table != found["table"]:
            print(f"README.md: is not what the command prints now; run `make readme`:\n{table}", file=sys.stderr)
        return int(table != found["table"])
    README.write_text(f"{text[: found.start('table')]}{table}{text[found.end('table') :]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
