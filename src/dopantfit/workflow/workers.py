"""How workers end: with the process that started them, or with the driver that they work for."""

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from dopantfit.workflow.lock import is_free

#: Seconds between two looks at the parent process.
_LOOK = 0.5
#: Seconds between two looks at a driver's lock, which may lie on a file system that many nodes share.
LOOK_AFAR = 2.0
#: Linux's ``PR_SET_PDEATHSIG`` (prctl(2)).
_ON_DEATH_OF_PARENT = 1


def begin_worker(parent: int, begin: Callable[..., None] | None, *arguments: Any) -> None:
    """Once in each worker of a local pool; `begin` is what the pool's owner wants done there.

    The worker ends with the process of id `parent`, and with the thread of it that started the worker.
    """
    # Ctrl-C reaches the whole group; the process that asked says what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Where the system has it: a worker that is stopped cannot look whether its parent is there.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_ON_DEATH_OF_PARENT, signal.SIGKILL)
    end_with_parent(parent)
    if begin is not None:
        begin(*arguments)


def end_with_parent(parent: int, or_when: Callable[[], bool] | None = None) -> None:
    """Make this worker end when the process of this id, which started it, is gone, however that ended.

    A worker of a killed driver would otherwise wait for orders for ever. The id is given, because a driver may be gone
    before the worker could ask for it. or_when: something else to end at, looked at less often.
    """

    def watch() -> None:
        look = _LOOK if or_when is None else LOOK_AFAR
        while os.getppid() == parent and not (or_when and or_when()):
            time.sleep(look)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="watch-parent").start()


def call_for_driver(driver: Path, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a worker that ends with its driver, which holds the folder `driver` as long as it lives."""
    _end_with_driver(driver)
    return function(*arguments)


@cache
def _end_with_driver(driver: Path) -> None:
    """Once in each worker: wherever it runs, it ends when its parent is gone or the driver's folder is held no more."""
    # Where nodes do not see each other's locks, the folder looks free from the start, and this is no sign of anything.
    seen = not is_free(driver)
    end_with_parent(os.getppid(), lambda: seen and is_free(driver))
