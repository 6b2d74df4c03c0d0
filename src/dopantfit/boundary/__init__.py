"""The grain boundary: sintered, divided into domains, doped, and its dopant moved by relaxed-swap Monte Carlo.

`build` places and sinters it, `profile` tells its domains apart, `dope` puts dopants in, `swap` moves them.
"""

from typing import TYPE_CHECKING

from dopantfit.rooms import lazily

if TYPE_CHECKING:
    from dopantfit.boundary.build.config import load_build
    from dopantfit.boundary.build.sinter import build_boundary
    from dopantfit.boundary.dope.run import dope_boundary
    from dopantfit.boundary.profile.domains import find_domains
    from dopantfit.boundary.swap.run import run_swaps

__all__ = ["build_boundary", "dope_boundary", "find_domains", "load_build", "run_swaps"]

__getattr__ = lazily(
    __name__,
    {
        "build_boundary": "build.sinter",
        "dope_boundary": "dope.run",
        "find_domains": "profile.domains",
        "load_build": "build.config",
        "run_swaps": "swap.run",
    },
)
