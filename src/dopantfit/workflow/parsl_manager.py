"""Parsl's manager of the workers on a node, which ends with the driver that it works for.

``python3 -m dopantfit.workflow.parsl_manager`` takes the arguments of Parsl's ``process_worker_pool.py``. By itself
that would wait for its driver for minutes, with workers that nobody gives anything to do.
"""

import multiprocessing
import os
import runpy
import sys
import threading
import time
from pathlib import Path

from dopantfit.workflow.lock import is_free
from dopantfit.workflow.workers import LOOK_AFAR

_POOL = "parsl.executors.high_throughput.process_worker_pool"
_LOGS = "--logdir="


def end_with_driver(folder: Path) -> None:
    """End this process and its workers when the driver, which holds `folder` as long as it lives, is gone.

    Where nodes do not see each other's locks the folder is never seen held, and nothing is ended.
    """

    def watch() -> None:
        while is_free(folder):
            time.sleep(LOOK_AFAR)
        while not is_free(folder):
            time.sleep(LOOK_AFAR)
        for worker in multiprocessing.active_children():
            worker.kill()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="watch-driver").start()


def main() -> None:
    """Run Parsl's manager with the arguments of this process; its logs lie in the driver's folder."""
    logs = next(word.removeprefix(_LOGS) for word in sys.argv if word.startswith(_LOGS))
    end_with_driver(Path(logs).parent)
    # As the module that was started: its workers, which begin anew, look there for what they are to do.
    runpy.run_module(_POOL, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
