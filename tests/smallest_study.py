"""The smallest study that goes from a boundary to a verdict: tables of study.toml. Its numbers mean nothing."""

TABLES = """
[engine]
frame_interval = 0.02
[boundary]
build = "tiny"
quenches = 2
[doping]
concentrations = [5.0]
relaxation = 0.02
[swaps]
attempts_per_round = 1
rounds_per_layer = 1
layers = 1
relaxation = 0.02
[spectrum]
sites = 4
arrangements = 1
settling = 0
[crystals]
replicas = 1
equilibration = 0.2
heating = 0.02
production = 0.4
[amorphous]
equilibration = 0.2
heating = 0.02
production = 0.4
cells = 1
arrhenius_temperatures = []
reducible_free = true
"""
