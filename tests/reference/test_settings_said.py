"""An output that says that it was made with other settings than its set is not imported."""

from pathlib import Path

import pytest
from ase import Atoms

from dopantfit.errors import ReferenceDataError
from dopantfit.project.plan_texts import manifest_text
from dopantfit.reference.cp2k import Cp2kSettings, single_point_input
from dopantfit.reference.importing import import_files
from dopantfit.reference.labels import cp2k_manifest
from dopantfit.reference.manifest import parse_manifest, save_manifest
from dopantfit.reference.plan import parse_plan
from dopantfit.reference.settings_said import contradictions

DATA = Path(__file__).parents[1] / "data" / "reference" / "cp2k"
ITEM = '[[configurations]]\nkind = "recompute"\nname = "a"\nstart = { prototype = "MgO" }\n'
PLAN = parse_plan('set = "X"\npurpose = "a test"\n' + ITEM)
#: What the codes print, line by line as in real outputs.
VASP = """<i type="string" name="GGA">PE</i> <v type="int" name="divisions">  1  1  1 </v> <i name="ENMAX">  750.0</i>
<rc><c>   1</c><c>Ti</c><c>     47.88</c><c>     12.0</c><c>  PAW_PBE Ti_pv 07Sep2000   </c></rc>"""
OUTCAR = """ vasp.6.3.0 20Jan22
   ENCUT = 7.5E2
 POTCAR:    PAW_PBE Ti_pv 07Sep2000
   LEXCH  = PE
   TITEL  = PAW_PBE Ti_pv 07Sep2000

 KPOINTS: 1 1 1 around Gamma

Automatic generation of k-mesh.
 generate k-points for:    1    1    1

   ENCUT  =  750.0 eV  55.12 Ry    7.42 a.u.   8.26  8.26  8.26*2*pi/ulx,y,z
   GGA     =    --    GGA type
   LEXCH   =     8    internal setting for exchange type
   LHFCALC =     F    Hartree Fock is set to
   METAGGA=      F    non-selfconsistent MetaGGA calc.

 k-points in reciprocal lattice and weights: 1 1 1 around Gamma
   0.00000000  0.00000000  0.00000000       1.000
 position of ions
"""
CASTEP = """ using functional                               : Perdew Burke Ernzerhof
 plane wave basis set cut-off                   :   750.0000   eV
                          Files used for pseudopotentials:
                                    O 2|1.1|15|18|20|20:21(qc=7)
                                    Ti 3|1.8|9|10|11|30U:40:31:32(qc=5.5)

                       MP grid size for SCF calculation is  1  1  1"""
ESPRESSO = """     gamma-point specific algorithms are used
     kinetic-energy cutoff     =      55.1240  Ry
     Exchange-correlation= PBE
                           (   1   4   3   4   0   0   0)
     PseudoPot. # 1 for Ti read from file:
     /home/me/pseudo/ti_pbe_v1.4.uspp.F.UPF
     MD5 check sum: 0
     PseudoPot. # 2 for O  read from file:
     ./O.pbe-n-kjpaw_psl.0.1.UPF
"""
POINTS = """     number of k points=     2
        k(    1) = (   0.0000000   0.0000000   0.0000000), wk =   1.0000000
        k(    2) = (   0.0000000   0.0000000   0.5000000), wk =   1.0000000
"""
CP2K = """ CP2K| version string:                                       CP2K version 2023.1
 CP2K| Input file name                                                   cp2k.inp
"""
#: What CP2K prints besides at PRINT_LEVEL MEDIUM.
MEDIUM = """ BRILLOUIN| K-point scheme                                        Monkhorst-Pack
 BRILLOUIN| K-Point grid                                             1    1    1
 FUNCTIONAL| PBE:
 FUNCTIONAL| J.P.Perdew, K.Burke, M.Ernzerhof, Phys. Rev. Letter, vol. 77, n 18,
 FUNCTIONAL|  pp. 3865-3868, (1996){spin unpolarized}
 QS| Method:                                                                GAPW
 QS| Density cutoff [a.u.]:                                                150.0
 QS| Relative density cutoff [a.u.]:                                        20.0
  1. Atomic kind: Ti                                    Number of atoms:       1
     Orbital Basis Set                                        DZVP-MOLOPT-SR-GTH
     GTH Potential information for                                   GTH-PBE-q12
  2. Atomic kind: O                                     Number of atoms:       2
     Orbital Basis Set                                        DZVP-MOLOPT-SR-GTH
     GTH Potential information for                                    GTH-PBE-q6
"""


def told(text, code, name, path=Path("nowhere/output")):
    if code == "cp2k":
        manifest = cp2k_manifest(PLAN, ["Ti", "O"], "2023.1")
    else:
        manifest = parse_manifest(manifest_text("X", "a test", code, ["Ti", "O"]))
    return list(contradictions(text, name, manifest, path))


@pytest.mark.parametrize(
    ("code", "name", "text"),
    [
        ("vasp", "VASP", VASP),
        ("vasp", "VASP", OUTCAR),
        ("castep", "CASTEP", CASTEP),
        ("castep", "CASTEP", CASTEP.replace("3|1.8|9|10|11|30U:40:31:32(qc=5.5)", "Ti_C19_PBE_OTF.usp")),
        ("espresso", "Quantum ESPRESSO", ESPRESSO),
        ("cp2k", "CP2K", CP2K + MEDIUM),
    ],
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
        ("vasp", "VASP", OUTCAR, "   GGA     =    --", "   GGA     =    PS", "was made with PBEsol"),
        ("vasp", "VASP", OUTCAR, "LEXCH  = PE", "LEXCH  = CA", "was made with LDA"),
        (
            "vasp",
            "VASP",
            OUTCAR,
            "LHFCALC =     F",
            "LHFCALC =     T",
            "was made with a hybrid functional, the",
        ),
        ("vasp", "VASP", OUTCAR, "METAGGA=      F", "METAGGA=   SCAN", "was made with SCAN, the manifest says"),
        ("vasp", "VASP", OUTCAR, "750.0 eV", "520.0 eV", "has the cutoff 520.0 eV"),
        ("vasp", "VASP", OUTCAR, "for:    1    1    1", "for:    2    2    1", "has the k mesh [2, 2, 1]"),
        ("vasp", "VASP", OUTCAR, "Ti_pv", "Ti_sv", "has the POTCAR 'PAW_PBE Ti_sv 07Sep2000' of Ti"),
        ("castep", "CASTEP", CASTEP, "is  1  1  1", "is  2  2  2", "has the k mesh [2, 2, 2]"),
        (
            "castep",
            "CASTEP",
            CASTEP,
            "3|1.8|9|10|11|30U:40:31:32(qc=5.5)",
            "Ti_00.uspcc",
            "has the pseudopotential 'Ti_00.uspcc' of Ti, the manifest says 'on the fly'",
        ),
        (
            "espresso",
            "Quantum ESPRESSO",
            ESPRESSO,
            "ti_pbe_v1.4.uspp.F.UPF",
            "Ti.pbe-spn-kjpaw_psl.1.0.0.UPF",
            "has the pseudopotential 'Ti.pbe-spn-kjpaw_psl.1.0.0.UPF' of Ti, the manifest says 'ti_pbe_v1.4.usp",
        ),
        (
            "espresso",
            "Quantum ESPRESSO",
            ESPRESSO,
            "     gamma-point specific algorithms are used\n",
            POINTS,
            "has more k points than Γ, the manifest says k_mesh = [1, 1, 1]",
        ),
        ("espresso", "Quantum ESPRESSO", ESPRESSO, "= PBE", "= SLA  PW   PSX  PSC", "was made with PBEsol"),
        ("cp2k", "CP2K", CP2K + MEDIUM, "J.P.Perdew, K.Burke, M.Ernzerhof", "PBEsol, J.P.Perdew", "made with PBEsol"),
        (
            "cp2k",
            "CP2K",
            CP2K + MEDIUM,
            "150.0",
            "250.0",
            "has the cutoff 500.0 Ry, the manifest says basis",
        ),
        ("cp2k", "CP2K", CP2K + MEDIUM, " 1    1    1", " 2    2    1", "has the k mesh [2, 2, 1]"),
        ("cp2k", "CP2K", CP2K + MEDIUM, "GTH-PBE-q12", "GTH-PBE-q4", "has the pseudopotential 'GTH-PBE-q4' of Ti"),
        ("cp2k", "CP2K", CP2K + MEDIUM, "GAPW", "GPW", "was made with GPW, the manifest says basis_or_cutoff ="),
        ("castep", "CASTEP", CASTEP, "750.0", "500.0", "has the cutoff 500.0 eV"),
        ("castep", "CASTEP", CASTEP, "Perdew Burke Ernzerhof", "Local Density Approximation", "was made with LDA"),
        ("espresso", "Quantum ESPRESSO", ESPRESSO, "55.1240", "40.0000", "has the cutoff 544.2 eV"),
        ("espresso", "Quantum ESPRESSO", ESPRESSO, "PBE", "SLA  PZ   NOGX NOGC", "was made with LDA"),
    ],
)
def test_what_an_output_says_otherwise_is_named(code, name, text, old, new, said):
    (found,) = told(text.replace(old, new), code, name)
    assert said in found


def test_the_mesh_of_the_xml_that_pw_names_is_the_mesh_of_the_run(tmp_path):
    text = ESPRESSO.split("\n", 1)[1] + "     Writing all to output data dir ./tmp/frame.save/ :\n"
    assert told(text, "espresso", "Quantum ESPRESSO", tmp_path / "pw.out") == []
    folder = tmp_path / "tmp" / "frame.save"
    folder.mkdir(parents=True)
    for mesh, said in (
        ((1, 1, 1), []),
        ((2, 2, 1), ["has the k mesh [2, 2, 1], the manifest says k_mesh = [1, 1, 1]"]),
    ):
        attributes = " ".join(f'nk{k}="{n}"' for k, n in enumerate(mesh, 1))
        (folder / "data-file-schema.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8"?>\n<qes:espresso xmlns:qes="http://www.quantum-espresso.org/ns/qes">'
            f"<input><k_points_IBZ><monkhorst_pack {attributes}>Monkhorst-Pack</monkhorst_pack></k_points_IBZ></input>"
            "</qes:espresso>"
        )
        assert told(text, "espresso", "Quantum ESPRESSO", tmp_path / "pw.out") == said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", None),
        ("&XC_FUNCTIONAL PBE", "&XC_FUNCTIONAL BLYP", None),  # not one that is recognised
        (
            "&XC_FUNCTIONAL PBE",
            "&XC_FUNCTIONAL\n&PBE\nPARAMETRIZATION PBESOL\n&END PBE",
            "was made with PBEsol, the manifest says functional = 'PBE'",
        ),
        ("&XC\n", "&XC\n&HF\n&END HF\n", "was made with a hybrid functional, the"),
        ("CUTOFF 300.0", "CUTOFF 500.0", "has the cutoff 500.0 Ry"),
        ("CUTOFF 300.0", "CUTOFF [eV] 500.0", None),
        ("METHOD GAPW", "METHOD GPW", "was made with GPW"),
        ("&SCF\n", "&KPOINTS\nSCHEME MONKHORST-PACK 2 2 2\n&END KPOINTS\n&SCF\n", "has the k mesh [2, 2, 2]"),
        (
            "&KIND Ti\n      BASIS_SET DZVP-MOLOPT-SR-GTH",
            "&KIND Ti\n      BASIS_SET TZVP-MOLOPT-SR-GTH",
            "has the basis TZVP-MOLOPT-SR-GTH of Ti, the manifest says basis_or_cutoff = 'DZVP-MOLOPT-SR-GTH, GAPW",
        ),
        ("GTH-PBE-q12", "GTH-PBE-q4", "has the pseudopotential 'GTH-PBE-q4' of Ti, the manifest says 'GTH-PBE-q12'"),
        ("BASIS_SET DZVP-MOLOPT-SR-GTH", "BASIS_SET RI_AUX RI-DZVP\nBASIS_SET ORB DZVP-MOLOPT-SR-GTH", None),
        ("GTH-PBE-q12", "GTH-PBE", None),  # the same by its shorter name
    ],
)
def test_what_a_cp2k_output_does_not_print_its_input_says(old, new, said, tmp_path):
    atoms = Atoms("TiO2", [[0, 0, 0], [2, 0, 0], [0, 2, 0]], cell=[4, 4, 4], pbc=True)
    text = single_point_input(atoms, Cp2kSettings(), project="frame")
    assert old in text
    (tmp_path / "cp2k.inp").write_text(text.replace(old, new, 1))
    found = told(CP2K, "cp2k", "CP2K", tmp_path / "cp2k.out")
    assert len(found) == (said is not None)
    assert said is None or said in found[0]
    # What the output prints counts before what was asked for; it prints a hybrid's PBE as PBE.
    hybrid = [] if said is None or "hybrid" not in said else found
    assert told(CP2K + MEDIUM, "cp2k", "CP2K", tmp_path / "cp2k.out") == hybrid


@pytest.mark.parametrize("name", ["VASP", "CASTEP", "Quantum ESPRESSO", "CP2K"])
def test_of_what_an_output_does_not_say_nothing_is_claimed(name):
    code = {"VASP": "vasp", "CASTEP": "castep", "Quantum ESPRESSO": "espresso", "CP2K": "cp2k"}[name]
    assert told("", code, name) == []
    manifest = parse_manifest(
        'name = "X"\npurpose = "x"\nlicence = "x"\ncode = "x"\ncode_version = "1"\nfunctional = "as published"\n'
        'basis_or_cutoff = "as published"\nk_mesh = "as published"\nscf_tolerance = 1e-6\n[pseudopotentials]\n'
        'Ti = "as published"\nO = "as published"\n'
    )
    text = {"VASP": VASP, "CASTEP": CASTEP, "Quantum ESPRESSO": ESPRESSO, "CP2K": CP2K + MEDIUM}[name]
    assert list(contradictions(text, name, manifest, Path("nowhere/output"))) == []


def test_a_real_cp2k_output_of_another_cutoff_is_not_imported(tmp_path):
    plan = parse_plan(
        'set = "X"\npurpose = "x"\nk_mesh = [2, 2, 2]\ncp2k = { cutoff = 250.0, method = "GPW" }\n' + ITEM
    )
    manifest = cp2k_manifest(plan, ["Mg", "O"], "2023.1")
    save_manifest(tmp_path, manifest)
    assert len(import_files([DATA / "MgO.out"], tmp_path, "a").frames) == 1
    other = tmp_path / "other"
    other.mkdir()
    save_manifest(other, manifest.model_copy(update={"basis_or_cutoff": "DZVP-MOLOPT-SR-GTH, CUTOFF 300 Ry"}))
    with pytest.raises(ReferenceDataError, match=r"MgO\.out: has the cutoff 250\.0 Ry, the manifest says basis"):
        import_files([DATA / "MgO.out"], other, "a")


def test_a_hybrid_whose_name_is_not_printed_may_be_any(tmp_path):
    hybrid = OUTCAR.replace("LHFCALC =     F", "LHFCALC =     T")
    text = manifest_text("X", "a test", "vasp", ["Ti", "O"]).replace('"PBE"', '"HSE06"')
    assert list(contradictions(hybrid, "VASP", parse_manifest(text), tmp_path / "OUTCAR")) == []
    assert len(list(contradictions(OUTCAR, "VASP", parse_manifest(text), tmp_path / "OUTCAR"))) == 1
