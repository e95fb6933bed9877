"""
The UserTesting Results API in a box: stateful, deterministic, with the real limits and many faults.

Used by `--demo`, by the tests and by the benchmarks. All data is invented; so is the inside of task answers,
which the vendor does not document.
"""

from __future__ import annotations

from .faults import Faults, Request
from .server import SampleApi
from .shop import shop_studies
from .state import Settings
from .studies import Session, Study, Task, TaskGroup, Workspace, every_task_study, simple_study

__all__ = [
    "Faults",
    "Request",
    "SampleApi",
    "Session",
    "Settings",
    "Study",
    "Task",
    "TaskGroup",
    "Workspace",
    "every_task_study",
    "shop_studies",
    "simple_study",
]
