"""
The declared tables that no row has come to yet, made empty: dashboards and dbt sources may name any of them from the
first load on, where dlt makes a table only with its first row.
"""

from __future__ import annotations

from collections.abc import Iterator

import dlt
from dlt.common.destination.exceptions import DestinationException
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns
from dlt.common.schema.utils import has_table_seen_data, new_table
from dlt.destinations.job_client_impl import SqlJobClientBase

from ..errors import DestinationError
from ..tables.schema import TABLES, columns
from .connection import make_table
from .runs import TABLE as RUNS  # whose rows dlt does not write

_NOTE = "usertesting_tables"
_OF_ROOTS = ("_dlt_load_id", "_dlt_id")
_OF_CHILDREN = ("_dlt_root_id", "_dlt_parent_id", "_dlt_list_idx", "_dlt_id")


def create_tables(pipeline: dlt.Pipeline, schema_name: str) -> list[str]:
    """
    Make the declared tables that are not in the dataset, with all their columns and dlt's own.

    That it was done is noted in the pipeline's local state, so that it costs nothing from then on. Destinations without
    SQL are left alone.

    Args:
        pipeline: that has loaded the source.
        schema_name: the name of its schema.

    Returns:
        The names of the tables that were made.

    Raises:
        DestinationError: the destination refuses; what was loaded stays loaded.

    """
    declared = " ".join(TABLES)
    if _noted(pipeline) == declared or schema_name not in pipeline.schemas:
        return []
    schema = pipeline.schemas[schema_name].clone()
    names = dict(_not_filled(schema))
    client = pipeline._get_destination_clients(schema)[0]
    made: list[str] = []
    if isinstance(client, SqlJobClientBase):
        try:
            with client:
                for name, there in client.get_storage_tables(list(names)):
                    if not there:
                        new = list(schema.tables[name]["columns"].values())
                        make_table(client, name, new)
                        made.append(names[name])
        except DestinationException as error:
            raise DestinationError(
                f"The tables that are still empty could not be made: {str(error)[:300]}. What was loaded is there, and"
                " each table comes with its first row."
            ) from error
    pipeline.set_local_state_val(_NOTE, declared)
    return made


def _not_filled(schema: dlt.Schema) -> Iterator[tuple[str, str]]:
    """The tables that dlt has not made, added to `schema`: what each is called there, and here."""
    for name in TABLES:
        stored = _stored(schema.naming, name)
        known = schema.tables.get(stored) or new_table(stored)
        if not has_table_seen_data(known):
            schema.update_table({**known, "columns": _columns(name, schema.naming)})
            yield stored, name


def _columns(name: str, naming: NamingConvention) -> TTableSchemaColumns:
    """The declared columns, and those that dlt adds to its rows: it fills them, and must not find them missing."""
    found: TTableSchemaColumns = {}
    for column in columns(name).values():
        stored = naming.normalize_identifier(column["name"])
        found[stored] = {**column, "name": stored}  # type: ignore[typeddict-item] # ours are plain dicts
    for own in () if name == RUNS else _OF_CHILDREN if "__" in name else _OF_ROOTS:
        stored = naming.normalize_identifier(own)
        kind: TColumnSchema = {"name": stored, "data_type": "bigint" if own == "_dlt_list_idx" else "text"}
        found[stored] = {**kind, "nullable": True}
    return found


def _stored(naming: NamingConvention, name: str) -> str:
    return naming.shorten_fragments(*map(naming.normalize_table_identifier, name.split("__")))


def _noted(pipeline: dlt.Pipeline) -> str | None:
    try:
        noted: str = pipeline.get_local_state_val(_NOTE)
    except KeyError:
        return None
    return noted
