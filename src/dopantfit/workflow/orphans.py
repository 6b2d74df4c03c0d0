"""A guardian process: when the process that started it is gone, it ends a process group.

Run as a script: ``orphans.py PARENT GROUP GRACE``. A parent that is killed (SIGKILL, out of memory) cannot end what
it started; to be adopted by another process is what every child of it notices at once.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def guarded(group: int, grace: float) -> Iterator[None]:
    """While this lasts, a process group ends if this process dies without a chance to end it itself.

    grace: seconds from the polite request to the other.
    """
    command = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(group), str(grace)]
    guardian = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        guardian.kill()
        guardian.wait()


def guard(parent: int, group: int, grace: float) -> None:
    """Wait until `parent` is no longer the parent of this process, then end `group`: politely, then for good.

    grace: seconds between the two.
    """
    while os.getppid() == parent:
        time.sleep(0.2)
    for request, pause in ((signal.SIGTERM, grace), (signal.SIGKILL, 0.0)):
        try:
            os.killpg(group, request)
        except ProcessLookupError:
            return
        time.sleep(pause)


if __name__ == "__main__":
    guard(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
