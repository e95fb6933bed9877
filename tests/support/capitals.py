"""A naming convention that a user might write; dlt takes it by the name of this module."""

from __future__ import annotations

from dlt.common.normalizers.naming.snake_case import NamingConvention as SnakeCase


class NamingConvention(SnakeCase):
    """All in capitals, and a dollar sign between a table and its child."""

    PATH_SEPARATOR = "$"

    @property
    def is_case_sensitive(self) -> bool:
        return True

    def normalize_identifier(self, identifier: str) -> str:
        return super().normalize_identifier(identifier).upper()
