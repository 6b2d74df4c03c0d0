"""What the tasks of a study are made of: host, potentials, builds and dopings, with the seeds of this study."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dopantfit.boundary.build.config import BUILD_PRESETS, BuildConfig, load_build
from dopantfit.boundary.build.stages import Anneal
from dopantfit.boundary.dope.config import DopeConfig
from dopantfit.errors import ConfigError
from dopantfit.potential import Potential
from dopantfit.potential.files import locate, named_in
from dopantfit.structures import Host, load_host
from dopantfit.study import places
from dopantfit.study.config import StudyConfig
from dopantfit.study.exchange_error import accuracy_of
from dopantfit.study.extent import Extent
from dopantfit.study.files import seed_of
from dopantfit.study.verdict import ONE_LOOK, ExchangeAccuracy, Look
from dopantfit.workflow.provenance import hash_of
from dopantfit.workflow.task import FilePart


@dataclass(frozen=True)
class StudyInputs:
    """What one study is made of. base: the folder that names in the study are relative to.

    grown: how far the study has grown; None for one of fixed size. look: at its results, for the verdict.
    """

    study: StudyConfig
    base: Path
    grown: Extent | None = None
    look: Look = ONE_LOOK

    @cached_property
    def extent(self) -> Extent:
        """What there is of everything that more can be made of."""
        return self.grown or Extent.first(self.study)

    @cached_property
    def host(self) -> Host:
        """What is doped; ConfigError when there is no such host, or its file contradicts itself."""
        return load_host(self.study.host, self.base)

    def potential(self, name: str) -> dict[str, Path]:
        """Return the potential as the file of a task."""
        return {"potential": Path(str(locate(named_in(self.base, name))))}

    @cached_property
    def own_potential(self) -> dict[str, Path]:
        """The study's own potential as the file of a task."""
        return self.potential(self.study.potential)

    @cached_property
    def undoped_potential(self) -> dict[str, FilePart]:
        """The same for tasks without the dopant: their results outlive a new fit of it, and serve other dopants."""
        path = self.own_potential["potential"]
        return {"potential": FilePart(path, hash_of(Potential.load(path).part(self.host_ions()).dumps()))}

    @cached_property
    def accuracy(self) -> ExchangeAccuracy:
        """How exact the exchange energies of the study's own potential are, as far as that is known."""
        return accuracy_of(self.study, self.own_potential["potential"], self.base / self.study.validation)

    def host_ions(self) -> tuple[str, ...]:
        """Labels of the ions of the undoped boundary and crystal."""
        build = self.build_config()
        return tuple(sorted({*build.host.charges, *build.cations}))

    def check_dopant(self) -> None:
        """Raise ConfigError when the dopant is no cation of every potential of the study, or an ion of the host."""
        dopant, host_ions = self.study.dopant, self.host_ions()
        cations = [ion for ion, z in self.host.charges.items() if z > 0 and ion != self.host.polyanion.centre]
        wrong = [ion for ion in self.study.replaces or () if ion not in cations]
        if wrong:
            raise ConfigError(
                f"study: replaces = {wrong[0]!r} is no cation of the host {self.host.name} beside its "
                f"{self.host.polyanion.formula}; name some of {', '.join(cations)}"
            )
        for name in (self.study.potential, *self.study.ensemble.potentials):
            potential = Potential.load(self.potential(name)["potential"])
            if dopant not in potential.species:
                raise ConfigError(
                    f"study: {dopant} is not in potential {potential.name!r} ({', '.join(potential.species)}); "
                    "name a potential with the dopant"
                )
            if dopant in host_ions or potential.species[dopant].formal_charge <= 0:
                what = "an ion of the host" if dopant in host_ions else "no cation"
                raise ConfigError(
                    f"study: dopant = {dopant!r} is {what}; name a cation of the potential that the host "
                    f"({', '.join(host_ions)}) does not hold"
                )

    def seed(self, name: str) -> int:
        """Seed of a task."""
        return seed_of(self.study.seed, name)

    def build_config(self, quench: int = 1) -> BuildConfig:
        """Return the build of a boundary, with a seed of this study."""
        name = self.study.boundary.build
        config = load_build(name if name in BUILD_PRESETS else self.base / name, self.host)
        if config.host != self.host:
            raise ConfigError(
                f"{self.base / name}: is about the host {config.host.name}, the study about {self.host.name}; "
                "name the same host in both"
            )
        return config.model_copy(update={"seed": self.seed(places.of_quench("boundary", quench))})

    @property
    def replaces(self) -> tuple[str, ...]:
        """Host ions whose places the dopant takes in the boundary."""
        if self.study.replaces is not None:
            return self.study.replaces
        potential = Potential.load(self.own_potential["potential"])
        return self.host.places_of(potential.species[self.study.dopant].formal_charge)

    def dope_config(self, quench: int) -> DopeConfig:
        """Return the doping of a boundary of the study as boundary/ has it."""
        doping = self.study.doping
        relaxation = Anneal(
            name="relax",
            reason="energetic relaxation of the doped structure",
            kind="anneal",
            temperature=doping.temperature,
            duration=doping.relaxation,
            ensemble="npt",
            cell="aniso",
            pressure=self.study.engine.pressure,
        )
        return DopeConfig(
            host=self.host,
            dopant=self.study.dopant,
            replaces=self.replaces,
            concentrations=doping.concentrations,
            realisations=doping.realisations,
            seed=self.seed(places.of_quench("doping", quench)),
            stages=(relaxation,),
            # As whole as the boundary was to be when it was built: a doping mends nothing.
            health=self.build_config(quench).health,
        )
