"""A naming convention that a user might write; dlt takes it by the name of this module."""

from __future__ import annotations

from dlt.common.normalizers.naming.snake_case import NamingConvention as SnakeCase


class NamingConvention(SnakeCase):
    """Child tables without the names of their parents: `tasks` for `session_details__tasks`."""

    def make_path(self, *identifiers: str) -> str:
        return identifiers[-1]
