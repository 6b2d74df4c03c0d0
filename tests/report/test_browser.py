"""The page in a real browser: no error on the console, every figure there, the 3-D views drawn, nothing too wide.

Two pages: that of a made-up study, and that of the study of Mg which is kept with its fit.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dopantfit.report.page import write_report
from dopantfit.report.results import RESULTS
from dopantfit.report.sources import read_sources
from made_up_records import write_made_up_fit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the browser chromium (apt-get install chromium)")

MG = Path(__file__).parents[2] / "fits" / "Mg"
#: Figures of every page, beside those of its gates.
FIGURES = {*RESULTS, "pellet", "boundary-side", "mobile-density-map", "fit-parameters", "fit-errors"}
#: Notes every error from the first byte on; at the end tells the frame around the page what was found.
WATCH = """<script>
const seen = [];
const before = console.error;
console.error = (...all) => { seen.push(all.join(" ")); before(...all); };
addEventListener("error", (e) => seen.push(e.message || "load: " + e.target.tagName), true);
addEventListener("securitypolicyviolation", (e) => seen.push("policy: " + e.violatedDirective));
function closed() { return document.querySelectorAll("details:not([open])").length; }
addEventListener("load", () => setTimeout(() => {
  const before = closed();
  dispatchEvent(new Event("beforeprint"));
  const printing = closed();
  dispatchEvent(new Event("afterprint"));
  parent.postMessage(JSON.stringify({
    closed: [before, printing, closed()],
    errors: seen,
    figures: Object.fromEntries([...document.images].map((i) => [i.dataset.figure, i.complete ? i.naturalWidth : 0])),
    views: Object.fromEntries([...document.querySelectorAll(".view")].map((v) => [v.dataset.view, v.dataset.state])),
    overflow: document.documentElement.scrollWidth - innerWidth,
    width: innerWidth,
  }), "*");
}, 500));
</script>"""
#: Windows have a least width, frames have none.
FRAME = """<!doctype html><body><iframe src="{address}" style="border:0;width:{width}px;height:1000px"></iframe>
<pre id="found"></pre>
<script>addEventListener("message", (e) => {{ document.getElementById("found").textContent = e.data; }});</script>"""


def seen(page, width, tmp_path):
    """What a browser finds in a frame of a given width."""
    watched = tmp_path / f"watched-{width}.html"
    watched.write_text(
        page.read_text(encoding="utf-8").replace('<meta name="viewport"', WATCH + '<meta name="viewport"')
    )
    frame = tmp_path / f"frame-{width}.html"
    frame.write_text(FRAME.format(address=watched.as_uri(), width=width))
    done = chromium(tmp_path, "--window-size=1500,1100", "--virtual-time-budget=20000", "--dump-dom", frame.as_uri())
    assert not re.search(r"CONSOLE", done.stderr), done.stderr
    return json.loads(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL).group(1))


def chromium(home, *arguments):
    """Run the browser without a window."""
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--enable-unsafe-swiftshader",
        "--use-angle=swiftshader",
        f"--user-data-dir={home / 'profile'}",
        *arguments,
    ]
    environment = {**os.environ, "HOME": str(home)}
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=240, env=environment)


def load_seconds(page, tmp_path):
    """Time from the start of navigation to the end of loading, as the browser's own clock has it."""
    timed = tmp_path / "timed.html"
    note = "<script>addEventListener('load', () => { document.title = `loaded ${performance.now()}`; });</script>"
    timed.write_text(page.read_text(encoding="utf-8").replace("</head>", note + "</head>"))
    # Without virtual time, whose clock stands still while the page works; the DOM is given out after the load event.
    done = chromium(tmp_path, "--dump-dom", timed.as_uri())
    return float(re.search(r"<title>loaded ([0-9.]+)</title>", done.stdout).group(1)) / 1000.0


@pytest.fixture(scope="module")
def made_up(study_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_report(read_sources(study_folder, write_made_up_fit(folder / "Mg")), folder)
    return folder / "report.html"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    write_report(read_sources(MG), folder)
    return folder / "report.html"


@pytest.fixture(scope="module", params=["made_up", pytest.param("kept", marks=pytest.mark.slow)])
def page(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_finds_every_figure_and_no_error(page, width, tmp_path):
    found = seen(page, width, tmp_path)
    assert found["width"] == width
    assert found["errors"] == []
    on_page = set(re.findall('data-figure="([^"]+)"', page.read_text(encoding="utf-8")))
    assert set(found["figures"]) == on_page >= FIGURES
    assert min(found["figures"].values()) > 0
    assert found["views"] == {"boundary-3d": "drawn", "mobile-density-3d": "drawn"}
    assert found["overflow"] <= 0


def test_details_are_opened_for_print_and_closed_again(made_up, tmp_path):
    before, printing, after = seen(made_up, 1400, tmp_path)["closed"]
    # The numbers of the gate that passed, and the hashes.
    assert (before, printing, after) == (2, 0, 2)


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext (apt-get install poppler-utils)")
def test_numbers_of_gates_and_hashes_are_in_the_print(made_up, tmp_path):
    chromium(tmp_path, f"--print-to-pdf={tmp_path / 'page.pdf'}", made_up.as_uri())
    command = ["pdftotext", "-layout", str(tmp_path / "page.pdf"), "-"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "why this limit" in printed and "digest of its result" in printed


def test_the_page_opens_in_under_two_seconds(made_up, tmp_path):
    tries = [load_seconds(made_up, tmp_path)]
    # On a machine at work with other things a browser may wait for its turn.
    while min(tries) >= 2.0 and len(tries) < 3:
        tries.append(load_seconds(made_up, tmp_path))
    if min(tries) >= 2.0 and os.getloadavg()[0] > 4.0 * (os.cpu_count() or 1):
        pytest.skip("this machine does too much else for its clock to say how long a page takes")
    assert 0.0 < min(tries) < 2.0


def test_the_watch_sees_what_it_must_see(made_up, tmp_path):
    broken = tmp_path / "broken.html"
    text = made_up.read_text(encoding="utf-8")
    broken.write_text(
        text.replace("</body>", '<img data-figure="gone" src="gone.png"><script>nothing()</script></body>')
    )
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        found = seen(broken, 1400, tmp_path)
        assert found["errors"] == []
