"""
A dlt source for the UserTesting Results API.

    import dlt
    from usertesting_source import load, usertesting_source

    pipeline = dlt.pipeline("usertesting", destination="snowflake", dataset_name="usertesting")
    load(pipeline, usertesting_source(test_ids=["..."]))
"""

from __future__ import annotations

from .errors import *  # noqa: F403 - the error tree is public as a whole
from .errors import __all__ as _errors
from .run import load
from .source import usertesting_source
from .warehouse.views.create import create_views, drop_views

__all__ = ["create_views", "drop_views", "load", "usertesting_source", *_errors]  # noqa: PLE0604 - names of errors
