"""Whether a destination can be written to: tried before a load, with nothing left behind."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import dlt
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.client import JobClientBase
from dlt.common.schema.typing import TColumnSchema
from dlt.common.schema.utils import new_table
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient
from dlt.destinations.job_client_impl import SqlJobClientBase

from ..errors import DestinationError
from .connection import make_table
from .snapshot import duckdb_file
from .troubles import told


def try_out(pipeline: dlt.Pipeline) -> None:
    """
    Makes a table (or, where there are none, a file) in the dataset, and removes it again.

    Raises:
        DestinationError: the destination does not answer, does not let that happen, or its configuration is incomplete.

    """
    table = f"usertesting_check_{secrets.token_hex(4)}"
    try:
        with _no_new_file(pipeline):
            client = pipeline.destination_client()
            if isinstance(client, SqlJobClientBase):
                _try_table(pipeline, table)
            else:
                _try_file(client, table)
    except Exception as error:  # noqa: BLE001 - each destination has errors of its own
        raise DestinationError(
            f"The destination {pipeline.destination.destination_name}, dataset `{pipeline.dataset_name}`, cannot be"
            f" used: {told(error, pipeline)}"
        ) from (None if isinstance(error, ConfigurationException) else error)


def _try_table(pipeline: dlt.Pipeline, name: str) -> None:
    columns: list[TColumnSchema] = [{"name": "id", "data_type": "bigint"}]
    schema = dlt.Schema(name)
    schema.update_table(new_table(name, columns=columns))
    client = pipeline._get_destination_clients(schema)[0]
    assert isinstance(client, SqlJobClientBase)
    with client:
        was_there = client.is_storage_initialized()
        if not was_there:
            client.initialize_storage()
        try:
            make_table(client, name, columns)
            client.sql_client.drop_tables(name)
        finally:
            if not was_there:
                client.sql_client.drop_dataset()


def _try_file(client: JobClientBase, name: str) -> None:
    if not isinstance(client, FilesystemClient):
        client.is_storage_initialized()
        return
    path = client.pathlib.join(client.dataset_path, name)
    client.fs_client.makedirs(client.dataset_path, exist_ok=True)
    client.fs_client.pipe(path, b"tried")
    client.fs_client.rm(path)


@contextmanager
def _no_new_file(pipeline: dlt.Pipeline) -> Iterator[None]:
    """A DuckDB file that was not there is not there afterwards."""
    database = duckdb_file(pipeline)
    is_new = database is not None and not database.exists()
    try:
        yield
    finally:
        if is_new and database is not None:
            database.unlink(missing_ok=True)
