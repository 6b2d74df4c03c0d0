"""Array types of the engine: float64 and int64 throughout."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
#: Indices into the ghosts; unsigned, so that compiled loops need not test the sign.
GhostIndices = npt.NDArray[np.uint32]
#: xx yy zz yz xz xy: the order of stresses, strains and virials.
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
