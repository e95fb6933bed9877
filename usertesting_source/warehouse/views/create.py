"""The views in the destination: created where they are missing or have changed, and dropped."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import dlt
from dlt.common.destination.exceptions import DestinationException
from dlt.common.normalizers.naming import NamingConvention
from dlt.destinations.job_client_impl import SqlJobClientBase

from ...errors import ConfigurationError, DestinationError
from ...tables.schema import TABLES
from .definitions import as_written, views
from .render import Target, rendered

_SCHEMA = "usertesting"  # dlt's schema of the source, which has the source's name
_STATE_KEY = "usertesting_views"
_ALL = "*"


def create_views(pipeline: dlt.Pipeline, schema_name: str | None = None) -> list[str]:
    """
    Create the views whose tables exist in the pipeline's dataset, where they are missing or have changed.

    Asks the destination once what is there; when nothing has changed, that is all. What was created is noted in
    the pipeline's local state, so on a machine without it the views are created anew, which changes nothing.
    Tables, views and columns are called as the naming convention of the schema has it. Destinations without SQL
    views (files) are left alone.

    Args:
        pipeline: that has loaded the source.
        schema_name: the name under which it has, when the source was cloned with another one.

    Returns:
        The names of the views that were created or replaced.

    Raises:
        ConfigurationError: the pipeline has no schema `schema_name`.
        DestinationError: the destination refuses a view, or cannot be reached, or the naming convention gives two
            names of ours the same one; what was loaded stays loaded.

    """
    noted = _noted(pipeline)
    with _connected(pipeline, schema_name) as client:
        if client is None:
            return []
        present = _present(client)
        if noted.get(_ALL) == _mark_of_all(client, present):
            return []
        made, refused = _brought_up_to_date(client, present, noted)
        all_made = {} if refused else {_ALL: _mark_of_all(client, _present(client) if made else present)}
    pipeline.set_local_state_val(_STATE_KEY, noted | made | all_made)
    if refused:
        raise refused[0]
    return list(made)


def _brought_up_to_date(
    client: SqlJobClientBase, present: Mapping[str, set[str]], noted: Mapping[str, str]
) -> tuple[dict[str, str], list[DestinationError]]:
    """Create what is missing or changed: the marks of the views made, and the errors of those refused."""
    made: dict[str, str] = {}
    refused: list[DestinationError] = []
    for name, query in rendered(present, _target(client)).items():
        mark = hashlib.sha256(query.encode()).hexdigest()
        if noted.get(name) == mark and set(present.get(name, ())) == set(views()[name].columns):
            continue
        try:
            _create(client, name, query)
            made[name] = mark
        except DestinationError as error:
            refused.append(error)
    return made, refused


def _mark_of_all(client: SqlJobClientBase, present: Mapping[str, set[str]]) -> str:
    """Changes when anything can: the views as written, the destination's names, and what is there."""
    there = {name: sorted(columns) for name, columns in sorted(present.items())}
    target = _target(client)
    return hashlib.sha256(f"{as_written()} {there} {target.dialect} {target.path('tests')}".encode()).hexdigest()


def drop_views(pipeline: dlt.Pipeline, schema_name: str | None = None) -> list[str]:
    """
    Drop the views, as Postgres and Redshift want it before dlt's `refresh` can drop their tables.

    Args:
        pipeline: as for `create_views`.
        schema_name: as for `create_views`.

    Returns:
        The names of the views that were there.

    Raises:
        ConfigurationError: the pipeline has no schema `schema_name`.
        DestinationError: the destination refuses, say because a view of somebody else uses one of these.

    """
    with _connected(pipeline, schema_name) as client:
        if client is None:
            return []
        found = [name for name, columns in _present(client).items() if name in views() and columns]
        for name in found:
            _execute(client, name, _drop_statement(_target(client), name))
    pipeline.set_local_state_val(_STATE_KEY, {})
    return found


@contextmanager
def _connected(pipeline: dlt.Pipeline, schema_name: str | None) -> Iterator[SqlJobClientBase | None]:
    """The pipeline's client for our tables, if its destination knows SQL views."""
    client = pipeline.destination_client(_known_schema(pipeline, schema_name))  # type: ignore[arg-type] # None: its default
    if not isinstance(client, SqlJobClientBase):
        yield None
        return
    try:
        with client:
            yield client
    except DestinationException as error:
        raise DestinationError(f"The views could not be checked: {_cause(error)}.") from error


def _known_schema(pipeline: dlt.Pipeline, name: str | None) -> str | None:
    """The schema of our tables; None stands for the one that the pipeline had first, which may be another source's."""
    if name is None:
        return _SCHEMA if _SCHEMA in pipeline.schemas else None
    if name not in pipeline.schemas:
        raise ConfigurationError(
            f"schema_name = {name!r}: pipeline `{pipeline.pipeline_name}` has loaded no source of that name, but"
            f" {', '.join(sorted(pipeline.schemas)) or 'none at all'}; take one of these, or load first."
        )
    return name


def _target(client: SqlJobClientBase) -> Target:
    table, column = _stored_table(client), _stored_column(client)
    return Target(
        dialect=str(client.capabilities.sqlglot_dialect or ""),
        path=lambda name: client.sql_client.make_qualified_table_name_path(table(name), quote=False),
        identifier=column,
    )


def _present(client: SqlJobClientBase) -> dict[str, set[str]]:
    """The columns of our tables and views in the destination, all by the names that they have here."""
    naming = client.schema.naming
    tables = _by_stored_name([*TABLES, *views()], _stored_table(client), naming)
    columns = _by_stored_name(_all_columns(), _stored_column(client), naming)
    stored = client.get_storage_tables(list(tables))
    return {tables[table]: {columns.get(name, name) for name in found} for table, found in stored}


def _stored_table(client: SqlJobClientBase) -> Callable[[str], str]:
    """What dlt calls a table or view of ours; the client's functions go on from there to the destination's case."""
    naming = client.schema.naming
    return lambda name: naming.shorten_fragments(*map(naming.normalize_table_identifier, name.split("__")))


def _stored_column(client: SqlJobClientBase) -> Callable[[str], str]:
    """What a column of ours is called in the destination."""
    naming, casefold = client.schema.naming, client.capabilities.casefold_identifier
    return lambda name: casefold(naming.normalize_identifier(name))


def _by_stored_name(names: Iterable[str], stored_as: Callable[[str], str], naming: NamingConvention) -> dict[str, str]:
    """`names` by what they are stored as."""
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(stored_as(name), name)
        if other != name:
            raise DestinationError(
                f"The views cannot be made: the naming convention {naming.name()!r} gives {other!r} and {name!r} one"
                f" name, {stored_as(name)!r}. The data itself is loaded. Use a convention that tells them apart, such"
                " as dlt's snake_case, and load into a new dataset."
            )
    return found


def _all_columns() -> list[str]:
    declared = {column.name for table in TABLES.values() for column in table.columns}
    return sorted(declared.union(*(view.columns for view in views().values())))


def _noted(pipeline: dlt.Pipeline) -> dict[str, str]:
    """What the views looked like when this machine created them."""
    try:
        noted: dict[str, str] = pipeline.get_local_state_val(_STATE_KEY)
    except KeyError:
        return {}
    return noted


def _create(client: SqlJobClientBase, name: str, query: str) -> None:
    """Replace the view in place, which keeps what others built on it; where that is refused, drop it first."""
    target = _target(client)
    view = target.sql(target.table(name))
    create = f"CREATE OR REPLACE VIEW {view} AS {query}"
    try:
        client.sql_client.execute_sql(create)
    except DestinationException:
        with client.sql_client.begin_transaction():
            _execute(client, name, _drop_statement(target, name))
            _execute(client, name, create)


def _drop_statement(target: Target, name: str) -> str:
    return f"DROP VIEW IF EXISTS {target.sql(target.table(name))}"


def _execute(client: SqlJobClientBase, name: str, statement: str) -> None:
    try:
        client.sql_client.execute_sql(statement)
    except DestinationException as error:
        raise DestinationError(
            f"The view {name!r} could not be brought up to date: {_cause(error)}. If something of yours has this "
            "name, rename it; if something is built on the view, drop that first. The data itself is loaded."
        ) from error


def _cause(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
