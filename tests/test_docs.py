"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import duckdb

from usertesting_source import load
from usertesting_source.alerts import ledger
from usertesting_source.cli.main import COMMANDS
from usertesting_source.cli.main import main as cli
from usertesting_source.sample_api import SampleApi, shop_studies
from usertesting_source.tables.schema import TABLES, WRITTEN
from usertesting_source.warehouse.dictionary import render
from usertesting_source.warehouse.views.definitions import views

ROOT = Path(__file__).parent.parent


def test_the_data_dictionary_is_fresh() -> None:
    """docs/tables.md is what the declared columns and the heads of the views' files render to."""
    assert (ROOT / "docs/tables.md").read_text() == render()


def test_the_alerts_ledger_is_the_one_that_is_described() -> None:
    """Name by name, and type by type."""
    described = {column.name: column.data_type for column in WRITTEN[ledger.TABLE].columns}
    assert {name: column["data_type"] for name, column in ledger._COLUMNS.items()} == described


def test_what_the_api_cannot_give_is_said() -> None:
    """So that nobody looks for it."""
    absent = render().partition("# What the API cannot give")[2]
    assert all(word in absent for word in ("screener", "not completed", "card sorts"))


def test_the_readme_names_every_root_table() -> None:
    """A table that lands is in the README's table of tables."""
    readme = (ROOT / "README.md").read_text()
    roots = [name for name in TABLES if "__" not in name]
    assert [name for name in roots if f"`{name}`" not in readme] == []


def test_the_readme_names_every_view() -> None:
    """So that nobody writes again what is there."""
    readme = (ROOT / "README.md").read_text()
    assert [name for name in views() if f"`{name}`" not in readme] == []


def test_the_readme_s_queries_run(source_of: Any, pipeline_of: Any, tmp_path: Path) -> None:
    """Every statement of the README's SQL, as it stands, on a file of the name that it gives."""
    script = (ROOT / "README.md").read_text().partition("```sql\n")[2].partition("```")[0]
    with SampleApi(shop_studies(sessions=12), rate_limit=None) as api:
        load(pipeline_of(database="usertesting_data.duckdb"), source_of(api, workspace_ids=["*"]))
    with duckdb.connect(str(tmp_path / "usertesting_data.duckdb")) as connection:
        statements = connection.extract_statements(script)
        assert len(statements) == 5
        for statement in statements:
            connection.execute(statement).fetchall()


def test_the_readme_names_only_options_that_exist() -> None:
    """Each --option that the README shows is one of the command's."""
    shown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", (ROOT / "README.md").read_text()))
    commands = [cli.get_command(click.Context(cli), name) for name in COMMANDS]
    offered = {name for command in commands if command for parameter in command.params for name in parameter.opts}
    assert shown - offered <= {"--port", "--strict", "--no-deps"}  # of the sample API, of pip
