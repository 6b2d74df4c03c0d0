"""What a potential is made of: kinds of ions with their shells, and the short-range terms of pairs."""

from typing import Annotated

from pydantic import Field

from dopantfit.strict_toml import FormalCharge, NonNegative, Positive, Table

#: A large A goes with a short ρ, so that it says little alone: 1e15 eV with 0.06 Å are 3 eV at 2 Å.
Prefactor = Annotated[float, Field(ge=0.0, le=1e15)]
#: Of a core, a shell or an ion.
Charge = Annotated[float, Field(ge=-1e3, le=1e3)]


class Shell(Table):
    """The massive shell of a polarisable ion, bound to its core by ½ k r²."""

    charge: Charge = Field(description="charge of the shell [e]")
    mass: Positive = Field(description="mass of the shell [u]")
    spring: Positive = Field(description="k in ½ k r² [eV/Å²]")


class Species(Table):
    """One kind of ion; `charge` and `mass` are the core's, which is the whole ion where there is no shell."""

    formal_charge: FormalCharge = Field(description="oxidation state [e]")
    charge: Charge = Field(description="charge of the core [e]")
    mass: Positive = Field(description="mass of the core [u]")
    shell: Shell | None = Field(default=None, description="the shell, if the ion is polarisable")

    @property
    def total_charge(self) -> float:
        """Charge of the ion, core and shell [e]."""
        return self.charge + (self.shell.charge if self.shell else 0.0)

    @property
    def total_mass(self) -> float:
        """Mass of the ion, core and shell [u]."""
        return self.mass + (self.shell.mass if self.shell else 0.0)

    @property
    def buckingham_charge(self) -> float:
        """Charge of the site that Buckingham terms act on: the shell where there is one [e]."""
        return self.shell.charge if self.shell else self.charge


class Buckingham(Table):
    """The short-range term A exp(-r/ρ) - C/r⁶ of a pair of species."""

    A: Prefactor = Field(description="[eV]")
    rho: Positive = Field(description="[Å]")
    C: NonNegative = Field(description="[eV Å⁶]")
