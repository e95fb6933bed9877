"""
A dlt source for the UserTesting Results API.

    import dlt
    from usertesting_source import load, usertesting_source

    pipeline = dlt.pipeline("usertesting", destination="snowflake", dataset_name="usertesting")
    load(pipeline, usertesting_source(test_ids=["..."]))
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .errors import *  # noqa: F403 - the error tree is public as a whole
from .errors import __all__ as _errors

if TYPE_CHECKING:
    __version__: str
    from .outcome import Summary, Watcher
    from .run import load
    from .source import usertesting_source
    from .warehouse.views.create import create_views, drop_views

__all__ = [  # noqa: PLE0604 - names of errors
    "Summary",
    "Watcher",
    "__version__",
    "create_views",
    "drop_views",
    "load",
    "usertesting_source",
    *_errors,
]

_HOMES = {
    "Summary": "outcome",
    "Watcher": "outcome",
    "create_views": "warehouse.views.create",
    "drop_views": "warehouse.views.create",
    "load": "run",
    "usertesting_source": "source",
}


def __getattr__(name: str) -> Any:
    """Imports what is asked for: dlt takes a second, for which `usertesting --help` should not wait."""
    if name == "__version__":
        return version("usertesting-source")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
