"""Figures say nothing of the day or of a library's version, and their numbers are written to the last digit."""

import numpy as np
import pytest
from PIL import Image

from dopantfit.errors import ConfigError
from dopantfit.workflow.figures import logarithmic, new_figure, save_with_csv
from dopantfit.workflow.outputs import write_csv, write_figure


def test_a_figure_has_its_size_and_its_numbers_beside_it(tmp_path):
    figure, panels = new_figure(4.0, 3.0, rows=2, columns=3, share_y=True)
    assert panels.shape == (2, 3)
    panels[0, 0].set_ylim(0.0, 7.0)
    assert panels[1, 2].get_ylim() == (0.0, 7.0)
    save_with_csv(figure, tmp_path, "x", 50, ("a",), [(1.5,)])
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (200, 150)
        assert "Software" not in image.info
    assert (tmp_path / "x.csv").read_text() == "a\n1.5\n"


def test_a_figure_that_is_undated_names_neither_day_nor_library(tmp_path):
    figure, _ = new_figure(1.0, 1.0)
    for name, undated in (("with", False), ("without", True)):
        write_figure(figure, tmp_path / f"{name}.pdf", 50, undated)
    told = [
        any(word in (tmp_path / f"{name}.pdf").read_bytes() for word in (b"CreationDate", b"Matplotlib"))
        for name in ("with", "without")
    ]
    assert told == [True, False]


def test_numbers_of_numpy_are_written_as_those_of_python(tmp_path):
    rows = [(np.float64(0.1) + 0.2, np.int64(3), None), (np.float32(0.1), True, 'a, "b"')]
    write_csv(tmp_path / "x.csv", ("a", "b", "c"), rows)
    # float32 is the number that it holds, in full.
    expected = 'a,b,c\n0.30000000000000004,3,\n0.10000000149011612,True,"a, ""b"""\n'
    assert (tmp_path / "x.csv").read_text() == expected


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no folder"):
        save_with_csv(new_figure(1.0, 1.0)[0], tmp_path / "none", "x", 50, ("a",), [])


@pytest.mark.parametrize(
    ("low", "high", "seen"), [(1.1, 2.3, ["1.2", "2"]), (0.5, 40.0, ["1", "10"]), (1e-6, 3e-5, ["10^{-6}", "10^{-5}"])]
)
def test_a_logarithmic_axis_has_plain_numbers_where_they_are_short(low, high, seen):
    figure, panels = new_figure(4.0, 3.0)
    panel = panels[0, 0]
    panel.plot([1.0, 2.0], [low, high])
    logarithmic(panel, "y")
    figure.canvas.draw()
    texts = [one.get_text() for one in panel.yaxis.get_ticklabels(which="both")]
    assert all(any(one in text for text in texts) for one in seen)
    assert any("10^" in text for text in texts) == (high < 1e-3)
