"""What a room shows: names that are loaded when they are first asked for, so that the command line starts at once."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def lazily(room: str, module_of: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a room. module_of: names that it shows, with the module in it that has them."""

    def load(name: str) -> Any:
        if name in module_of:
            return getattr(import_module(f"{room}.{module_of[name]}"), name)
        raise AttributeError(f"module {room!r} has no attribute {name!r}")

    return load


class VerbRoom(ModuleType):
    """A room with the name of a verb: calling it does what the function of that name in its module ``verb`` does.

    ``dopantfit.fit`` is a package, whatever was imported first; so that ``dopantfit.fit("fits/Mg")`` fits all the same.
    """

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Do it."""
        verb = self.__name__.rpartition(".")[2]
        return getattr(import_module(f"{self.__name__}.verb"), verb)(*arguments, **options)


def make_verb(room: str) -> None:
    """Make a room callable."""
    sys.modules[room].__class__ = VerbRoom
