"""Running things: tasks, their graph, records, locks, pools and sites; no science.

A `TypedTask` is told settings, refers to what others make by their `TaskOutput`, and makes a result; `run_graph` brings
all of a `Graph` to an end through a pool. `schema` reads and writes records that have a version.
"""

from typing import TYPE_CHECKING

from dopantfit.rooms import lazily

if TYPE_CHECKING:
    from dopantfit.workflow.driver import run_graph
    from dopantfit.workflow.graph import Graph
    from dopantfit.workflow.pool import local_pool, site_pool
    from dopantfit.workflow.schema import Model, VersionedRecord
    from dopantfit.workflow.typed import TaskOutput, TypedTask

__all__ = [
    "Graph",
    "Model",
    "TaskOutput",
    "TypedTask",
    "VersionedRecord",
    "local_pool",
    "run_graph",
    "site_pool",
]

__getattr__ = lazily(
    __name__,
    {
        "Graph": "graph",
        "Model": "schema",
        "TaskOutput": "typed",
        "TypedTask": "typed",
        "VersionedRecord": "schema",
        "local_pool": "pool",
        "run_graph": "driver",
        "site_pool": "pool",
    },
)
