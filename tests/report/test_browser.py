"""The page in a real browser: no error on the console, every figure there, the 3-D views drawn, nothing too wide."""

import json
import os
import re
import shutil
import subprocess

import pytest
from made_up_study import write_fit

from dopantfit.report.page import write_report
from dopantfit.report.records import read_sources
from dopantfit.report.results import RESULTS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the browser chromium (apt-get install chromium)")

#: Notes every error from the first byte on; at the end tells the frame around the page what was found.
WATCH = """<script>
const seen = [];
const before = console.error;
console.error = (...all) => { seen.push(all.join(" ")); before(...all); };
addEventListener("error", (e) => seen.push(e.message || "load: " + e.target.tagName), true);
addEventListener("securitypolicyviolation", (e) => seen.push("policy: " + e.violatedDirective));
addEventListener("load", () => setTimeout(() => {
  parent.postMessage(JSON.stringify({
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
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--enable-unsafe-swiftshader",
        "--use-angle=swiftshader",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1500,1100",
        "--virtual-time-budget=20000",
        "--dump-dom",
        frame.as_uri(),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=240, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert not re.search(r"CONSOLE", done.stderr), done.stderr
    return json.loads(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL).group(1))


@pytest.fixture(scope="module")
def page(study_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    sources = read_sources(study_folder, write_fit(folder / "Mg"))
    write_report(sources, folder)
    return folder / "report.html"


@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_finds_every_figure_and_no_error(page, width, tmp_path):
    found = seen(page, width, tmp_path)
    assert found["width"] == width
    assert found["errors"] == []
    expected = {*RESULTS, "boundary-side", "li-density-map", "fit-parameters", "fit-errors"}
    assert set(found["figures"]) == expected
    assert min(found["figures"].values()) > 0
    assert found["views"] == {"boundary-3d": "drawn", "li-density-3d": "drawn"}
    assert found["overflow"] <= 0


def test_the_watch_sees_what_it_must_see(page, tmp_path):
    broken = tmp_path / "broken.html"
    text = page.read_text(encoding="utf-8")
    broken.write_text(
        text.replace("</body>", '<img data-figure="gone" src="gone.png"><script>nothing()</script></body>')
    )
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        found = seen(broken, 1400, tmp_path)
        assert found["errors"] == []
