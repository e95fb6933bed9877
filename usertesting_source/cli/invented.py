"""
The demo: a sample Results API in this process, with invented studies of an online shop, a source that reads it, and
queries to begin with.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import dlt
from rich.console import Console
from rich.table import Table

from ..config import UserTestingCredentials
from ..explore.reading import opened
from ..extras import needed
from ..source import UserTestingSource, usertesting_source

DEMO_SESSIONS = 60
DEMO_RATE = 10, 1.0
DEMO_DATABASE = "usertesting_demo.duckdb"

QUERIES = (
    (
        "Which tasks go badly?",
        """
        select test_title as test, task_number as task, task_type, answered,
               round(100 * success_rate)::int as "success %", round(median_seconds)::int as seconds
        from usertesting.task_kpis
        where success_rate is not null
        order by success_rate
        limit 5
        """,
    ),
    (
        "What do those write who would not recommend the shop?",
        """
        select nps.answer_number::int as nps, written.answer_text as "in their words"
        from usertesting.answers as nps
        join usertesting.answers as written using (session_id)
        where nps.answer_kind = 'nps' and nps.answer_number <= 6 and written.task_type = 'WRITTEN'
        order by nps.answer_number, length(written.answer_text)
        limit 4
        """,
    ),
    (
        "Is everything here?",
        """
        select test_title as test, listed, detailed, transcribed as spoken, waiting, open_issues as issues
        from usertesting.load_status
        order by test
        """,
    ),
)
"""Three queries that a user would type next: a question and its SQL."""


@contextmanager
def demo_source(sessions: int = DEMO_SESSIONS) -> Iterator[UserTestingSource]:
    """
    A source that reads the sample API, until the `with` block ends.

    The quota is the real one with its period scaled down to a second.

    Raises:
        NotInstalled: the extra `demo` is not.

    """
    with needed("demo", "The demo"):
        from ..sample_api import SampleApi, shop_studies  # noqa: PLC0415 - an extra

    limit, period = DEMO_RATE
    with (
        SampleApi(shop_studies(sessions=sessions), rate_limit=limit, rate_period=period) as api,
        TemporaryDirectory() as quota_dir,
    ):
        yield usertesting_source(
            credentials=UserTestingCredentials(client_id=api.client_id, client_secret=api.client_secret),
            workspace_ids=["*"],
            test_ids=[],
            base_url=api.base_url,
            token_url=api.token_url,
            rate_limit=limit,
            rate_period=period,
            quota_dir=quota_dir,
        )


def show_queries(pipeline: dlt.Pipeline, console: Console) -> None:
    """Ends the demo with queries that a user would type next."""
    with opened(pipeline) as data:
        for question, sql in QUERIES:
            console.print(f"\n[bold]{question}[/]")
            console.print(textwrap.dedent(sql).strip(), style="dim", soft_wrap=True)
            found = data.database.execute(sql)
            table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
            for column in found.description:
                table.add_column(column[0], no_wrap=True)
            for row in found.fetchall():
                table.add_row(*("" if value is None else str(value) for value in row))
            console.print(table)
        copy = data.path.name
    console.print(
        f"\nThe data is in [bold]{copy}[/] in this folder: usertesting report, search, themes, export and mcp read it"
        " with --demo. To go on by hand, without installing anything more:",
        soft_wrap=True,
    )
    here, python = Path.cwd(), Path(sys.executable)
    python = python.relative_to(here) if python.is_relative_to(here) else python
    console.print(f"{python} -ic \"import duckdb; sql = duckdb.connect('{copy}').sql\"", style="dim", soft_wrap=True)
    console.print('sql("select * from usertesting.test_kpis")', style="dim", soft_wrap=True)
