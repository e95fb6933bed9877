"""The command `check`: tries all that a load will need, with the fewest requests, and says what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
import dlt
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from rich.console import Console
from rich.text import Text

from ..config import EVERY_WORKSPACE
from ..errors import ApiError, ConfigurationError, UserTestingError
from ..extract.visits import FIRST_PAGE
from ..source import UserTestingSource, usertesting_source
from ..sync.studies import Test
from ..videos.bucket import Bucket
from ..warehouse.trial import try_out
from ..warehouse.troubles import missing
from .command import PIPELINE, exit_code, make_pipeline, plural
from .invented import demo_source
from .main import CONTEXT

MOST = 10


@click.command(context_settings=CONTEXT)
@click.option("--demo", is_flag=True, help="The sample API, and the DuckDB file of the demo.")
@click.option("--destination", default="duckdb", show_default=True, help="Any dlt destination.")
@click.option("--dataset", default="usertesting", show_default=True, help="Schema or dataset of the tables.")
@click.option("--verbose", is_flag=True, help="Show traces of errors.")
def main(demo: bool, destination: str, dataset: str, verbose: bool) -> None:
    """
    Try credentials, each test, the bucket and the destination; load nothing.

    Takes a request per test (of those that come from workspaces, the first ten). Exit codes: 0 all is well; 1 something
    is not.
    """
    console = Console(highlight=False)

    def pipeline() -> dlt.Pipeline:
        return make_pipeline(PIPELINE, destination, dataset, demo)

    def work() -> int:
        if demo:
            with demo_source() as source:
                return check_all(pipeline, lambda: source, console)
        return check_all(pipeline, usertesting_source, console)

    sys.exit(exit_code(work, console, verbose))


def check_all(pipeline: Callable[[], dlt.Pipeline], source: Callable[[], UserTestingSource], console: Console) -> int:
    """
    Tries everything, and prints a line for each.

    Args:
        pipeline: makes the pipeline whose destination is tried.
        source: makes the source, as the settings have it.
        console: where the lines go.

    Returns:
        The exit code: 0 all is well, 1 something is not.

    """
    return Check(console).run(pipeline, source)


class Check:
    """One check: each thing is tried once, and said once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._good = True

    def run(self, pipeline: Callable[[], dlt.Pipeline], make: Callable[[], UserTestingSource]) -> int:
        """Tries everything; returns the exit code."""
        if source := self._source(make):
            self._api(source)
            if url := source.poll.settings.video_bucket_url:
                self._try(f"bucket {url} can be written", lambda: Bucket(url).check())
        self._destination(pipeline)
        if source:
            self._console.print(f"{plural(source.poll.requests, 'request')} spent.", style="dim")
        return 0 if self._good else 1

    def _source(self, make: Callable[[], UserTestingSource]) -> UserTestingSource | None:
        """The source; with no test in the settings, one that shows at least whether the credentials work."""
        try:
            return make()
        except ConfigurationError as error:
            self._wrong(str(error))
        try:
            return usertesting_source(workspace_ids=[EVERY_WORKSPACE], test_ids=[], test_titles=[])
        except ConfigurationError:
            return None

    def _destination(self, pipeline: Callable[[], dlt.Pipeline]) -> None:
        try:
            made = pipeline()
        except ConfigFieldMissingException as error:
            self._wrong(f"destination: {missing(error)}")
            return
        what = f"destination {made.destination.destination_name}, dataset {made.dataset_name}: can be written"
        self._try(what, lambda: try_out(made))

    def _api(self, source: UserTestingSource) -> None:
        poll = source.poll
        poll.begin()
        try:
            tests = poll.tests()
            answered = [self._test(source, test) for test in self._first(source, tests)]
        except UserTestingError as error:
            self._wrong(str(error))
            return
        for line in dict.fromkeys(poll.tally.failed):
            self._wrong(line)
        classic = sum(test.is_classic for test in tests)
        served = f", {classic} of them classic, not served" if classic else ""
        if answered or tests or not poll.tally.failed:
            self._ok(f"credentials work at {poll.settings.base_url}: {plural(len(tests), 'test')} found{served}")

    @staticmethod
    def _first(source: UserTestingSource, tests: list[Test]) -> list[Test]:
        """All tests that are named, and the first of those that come from workspaces."""
        served, named = [test for test in tests if not test.is_classic], set(source.poll.settings.test_ids)
        return [test for number, test in enumerate(served) if test.test_id in named or number < MOST]

    def _test(self, source: UserTestingSource, test: Test) -> bool:
        try:
            listing = source.poll.listings.read(test.test_id, FIRST_PAGE, lambda _: True)
        except ApiError as error:
            self._wrong(str(error))
            return False
        self._ok(f"test {test.title}: {plural(listing.total, 'session')}")
        return True

    def _try(self, what: str, work: Callable[[], Any]) -> None:
        try:
            work()
        except UserTestingError as error:
            self._wrong(str(error))
        else:
            self._ok(what)

    def _ok(self, what: str) -> None:
        self._console.print(Text.assemble(("ok     ", "green"), what), soft_wrap=True)

    def _wrong(self, what: str) -> None:
        self._good = False
        self._console.print(Text.assemble(("wrong  ", "red"), what), soft_wrap=True)
