"""What a potential file may hold, that it reads back as it was written, and how a wrong one is refused."""

import pytest

from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.potential.files import locate

TEXT = """\
format = 1
name = "salt"
citation = "nobody"
cutoff = 8.0

[species.Li]
formal_charge = 1
charge = 0.5
mass = 7.0

[species.O_b]
formal_charge = -2
charge = 0.25
mass = 15.7
shell = { charge = -1.25, mass = 0.3, spring = 80.0 }

[pairs]
"Li-Li" = { A = 0.0, rho = 0.1, C = 0.0 }
"O_b-Li" = { A = 1e4, rho = 0.3, C = 0.0 }
"O_b-O_b" = { A = 1.1e4, rho = 0.123456789012345678, C = 30.22 }
"""


def replaced(old, new):
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def test_a_file_reads_as_written():
    potential = Potential.loads(TEXT)
    assert potential.pair("Li", "O_b").A == 1e4
    assert list(potential.pairs) == [("Li", "Li"), ("Li", "O_b"), ("O_b", "O_b")]


@pytest.mark.parametrize("name", ["latp-2021", "latp-mg-2022"])
def test_writing_and_reading_gives_the_same_bytes_and_values(name, tmp_path):
    potential = Potential.load(name)
    potential.save(tmp_path / "first.toml")
    again = Potential.load(tmp_path / "first.toml")
    again.save(tmp_path / "second.toml")
    assert again == potential
    assert (tmp_path / "first.toml").read_bytes() == (tmp_path / "second.toml").read_bytes()


def test_a_library_file_is_what_the_writer_writes():
    # So that a saved potential and the library differ in numbers only.
    text = locate("latp-mg-2022").read_text(encoding="utf-8")
    assert Potential.loads(text).dumps() == text


def test_awkward_text_and_numbers_survive():
    from dataclasses import replace

    odd = replace(Potential.loads(TEXT), name='a "b" \\ \n\t\x7f é', citation="ρ¹ 2e-5", cutoff=1 / 3)
    assert Potential.loads(odd.dumps()) == odd


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (replaced("rho = 0.3,", "rho = -0.1,"), "f.toml: pairs.O_b-Li.rho = -0.1: Input should be greater than 0"),
        (replaced("rho = 0.3,", "rho = 0.0,"), "pairs.O_b-Li.rho = 0.0: Input should be greater than 0"),
        (replaced("C = 30.22", "C = -1.0"), "pairs.O_b-O_b.C = -1.0: Input should be greater than or equal to 0"),
        (replaced("A = 1e4", "A = -1e4"), "pairs.O_b-Li.A = -10000.0: Input should be greater than or equal to 0"),
        # What no potential comes near would be answered by infinite energies.
        (replaced("C = 30.22", "C = 1e300"), "pairs.O_b-O_b.C = 1e+300: Input should be less than or equal to"),
        (replaced("A = 1e4", "A = 1e300"), "pairs.O_b-Li.A = 1e+300: Input should be less than or equal to"),
        (replaced("spring = 80.0", "spring = 1e300"), "species.O_b.shell.spring = 1e+300"),
        (replaced("cutoff = 8.0", "cutof = 8.0"), "cutof is no known key; remove it or mend its spelling (and 1 more)"),
        (replaced("A = 1e4", "A = nan"), "pairs.O_b-Li.A = nan"),
        (replaced("A = 1e4", "A = inf"), "pairs.O_b-Li.A = inf: Input should be a finite number"),
        (replaced("A = 1e4", 'A = "1e4"'), "pairs.O_b-Li.A = '1e4': Input should be a valid number"),
        (replaced("A = 1e4", "A = true"), "pairs.O_b-Li.A = True: Input should be a valid number"),
        (replaced("A = 1e4, ", ""), "pairs.O_b-Li.A is missing"),
        (replaced("mass = 7.0", "mass = 0.0"), "species.Li.mass = 0.0: Input should be greater than 0"),
        (replaced("spring = 80.0", "spring = 0.0"), "species.O_b.shell.spring = 0.0: Input should be greater than 0"),
        (replaced("spring = 80.0", "k = 80.0"), "species.O_b.shell.k is no known key"),
        (replaced("mass = 7.0", "mass = 7.0\nweight = 1"), "species.Li.weight is no known key"),
        (replaced("formal_charge = 1", "formal_charge = 1.5"), "species.Li.formal_charge = 1.5"),
        (replaced("cutoff = 8.0", "cutoff = 8.0\nkspace = 1"), "kspace is no known key"),
        (replaced("cutoff = 8.0", "cutoff = -8.0"), "cutoff = -8.0: Input should be greater than 0"),
        (replaced("cutoff = 8.0", ""), "cutoff is missing"),
        (replaced("format = 1", "format = 2"), "format 2, expected 1: another version wrote it; fit it again"),
        (replaced("format = 1", "format = 0"), "format 0, expected 1: another version wrote it; fit it again"),
        ("format = 0", "format 0, expected 1: another version wrote it; fit it again with `dopantfit fit`"),
        (replaced("format = 1", "format = true"), "is a potential of format True, expected 1"),
        (replaced('"salt"', '""'), "name = '': String should have at least 1 character"),
        (replaced('"Li-Li" = { A = 0.0, rho = 0.1, C = 0.0 }\n', ""), "pairs: Li-Li missing"),
        (TEXT + '"Li-O_b" = { A = 1.0, rho = 0.3, C = 0.0 }\n', "pairs.Li-O_b is given twice"),
        (TEXT + '"Li-Na" = { A = 1.0, rho = 0.3, C = 0.0 }\n', "pairs.Li-Na names Na, which is no species"),
        (TEXT + '"Li" = { A = 1.0, rho = 0.3, C = 0.0 }\n', 'pairs."Li" is no pair'),
        (TEXT + '"O_b-Li" = { A = 1.0, rho = 0.3, C = 0.0 }\n', "not valid TOML: Cannot overwrite a value"),
        (replaced("[species.Li]", "[species.Li"), "not valid TOML"),
        (replaced("[species.Li]", "[species.Xx]"), "species.Xx is no species label"),
        (replaced("[species.Li]", "[species.Lith]"), "species.Lith is no species label"),
        (replaced("[species.Li]", "[species.X]"), "species.X is no species label"),
        (replaced("charge = 0.5", "charge = 0.6"), "species.Li: total charge 0.6 e, expected 0.5 e"),
        (replaced("charge = -1.25", "charge = 1.25"), "total charge"),
        ("", "format is missing"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(text, message):
    with pytest.raises(ConfigError) as refused:
        Potential.loads(text, source="f.toml")
    line = str(refused.value)
    assert line.startswith("f.toml: ")
    assert message in line
    assert "\n" not in line


def test_a_corrupt_file_is_refused_with_its_position(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text(replaced("charge = 0.5", "charge = = 0.5"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken\.toml: not valid TOML: .*line 8, column 10"):
        Potential.load(path)


def test_a_binary_file_is_refused(tmp_path):
    path = tmp_path / "binary.toml"
    path.write_bytes(b"name = \xff\xfe")
    with pytest.raises(ConfigError, match=r"binary\.toml: cannot be read \(not UTF-8 text\)"):
        Potential.load(path)


@pytest.mark.parametrize("source", ["latp-2020", "missing.toml", "."])
def test_an_unknown_name_lists_the_library(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="latp-2021, latp-mg-2022"):
        Potential.load(source)


# Charges that are not one multiple of the formal charges, as in partial-charge sets.
UNEVEN = replaced("charge = 0.5", "charge = 0.4").replace("charge = -1.25", "charge = -1.05")


def test_formulas_named_instead_of_formal_charges_must_be_neutral():
    potential = Potential.loads(UNEVEN.replace("cutoff", 'neutral_in = ["Li2O"]\ncutoff'))
    assert potential.neutral_in == ("Li2O",)
    assert potential.charge_scale is None
    assert Potential.loads(potential.dumps()) == potential


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("LiO", 'neutral_in "LiO" has the charge -0.4 e, expected 0'),
        ("Na2O", "Na is no species here"),
        ("Li2O(", "is no chemical formula"),
        ("", "expected 0"),
    ],
)
def test_formulas_that_are_not_neutral_are_refused(formula, message):
    with pytest.raises(ConfigError) as refused:
        Potential.loads(UNEVEN.replace("cutoff", f'neutral_in = ["{formula}"]\ncutoff'))
    assert message in str(refused.value)
