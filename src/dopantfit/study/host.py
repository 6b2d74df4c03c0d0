"""The ions of the host that a study asks about, LATP's."""

#: The ion that moves, and balances charge.
MOBILE = "Li"
#: The ion that a reducing electrode takes electrons to.
REDUCIBLE = "Ti"
#: The cations that carry the crystal's framework; a dopant takes their places.
FRAMEWORK = ("Ti", "Al")
#: The ion that T_0 gets for the Ti that does not become dopant.
SUBSTITUTE = "Al"
