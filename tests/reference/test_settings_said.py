"""An output that says that it was made with other settings than its set is not imported."""

import pytest

from dopantfit.project.plan_texts import manifest_text
from dopantfit.reference.manifest import parse_manifest
from dopantfit.reference.settings_said import contradictions

#: What the codes print, line by line as in real outputs.
VASP = """<i type="string" name="GGA">PE</i> <v type="int" name="divisions">  1  1  1 </v> <i name="ENMAX">  750.0</i>
<rc><c>   1</c><c>Ti</c><c>     47.88</c><c>     12.0</c><c>  PAW_PBE Ti_pv 07Sep2000   </c></rc>"""
CASTEP = """ using functional                               : Perdew Burke Ernzerhof
 plane wave basis set cut-off                   :   750.0000   eV
                       MP grid size for SCF calculation is  1  1  1"""
ESPRESSO = """     kinetic-energy cutoff     =      55.1240  Ry
     Exchange-correlation= PBE"""


def told(text, code, name):
    return list(contradictions(text, name, parse_manifest(manifest_text("X", "a test", code, ["Ti", "O"]))))


@pytest.mark.parametrize(
    ("code", "name", "text"),
    [("vasp", "VASP", VASP), ("castep", "CASTEP", CASTEP), ("espresso", "Quantum ESPRESSO", ESPRESSO)],
)
def test_outputs_of_the_inputs_that_are_written_are_those_of_the_set(code, name, text):
    assert told(text, code, name) == []


@pytest.mark.parametrize(
    ("code", "name", "text", "old", "new", "said"),
    [
        ("vasp", "VASP", VASP, "PE<", "PS<", "was made with PBEsol, the manifest says functional = 'PBE'"),
        ("vasp", "VASP", VASP, "1  1  1 <", "2  2  1 <", r"has the k mesh [2, 2, 1]"),
        (
            "vasp",
            "VASP",
            VASP,
            "Ti_pv",
            "Ti",
            "has the POTCAR 'PAW_PBE Ti 07Sep2000' of Ti, the manifest says 'PAW_PBE Ti_pv'",
        ),
        ("vasp", "VASP", VASP, "750.0", "520.0", "has the cutoff 520.0 eV"),
        ("castep", "CASTEP", CASTEP, "750.0", "500.0", "has the cutoff 500.0 eV"),
        ("castep", "CASTEP", CASTEP, "Perdew Burke Ernzerhof", "Local Density Approximation", "was made with LDA"),
        ("espresso", "Quantum ESPRESSO", ESPRESSO, "55.1240", "40.0000", "has the cutoff 544.2 eV"),
        ("espresso", "Quantum ESPRESSO", ESPRESSO, "PBE", "SLA  PZ   NOGX NOGC", "was made with LDA"),
    ],
)
def test_what_an_output_says_otherwise_is_named(code, name, text, old, new, said):
    (found,) = told(text.replace(old, new), code, name)
    assert said in found
