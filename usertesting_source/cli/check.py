"""`--check` and `--list-tests`: what the credentials see and what is wrong, with the fewest requests."""

from __future__ import annotations

import dlt
from rich.console import Console
from rich.table import Table

from ..errors import ApiError, DestinationError, UserTestingError
from ..extract.plan import LOOK_AHEAD
from ..extract.visits import FIRST_PAGE
from ..source import UserTestingSource


def check_all(pipeline: dlt.Pipeline, source: UserTestingSource, console: Console) -> int:
    """
    Tries credentials, tests and destination, a request per test (at most ten); prints what is wrong.

    Returns:
        The exit code: 0 all is well, 1 something is not.

    """
    poll = source.poll
    poll.begin()
    good = True

    def say(ok: bool, what: str) -> None:
        nonlocal good
        good = good and ok
        console.print("[green]ok[/]    " if ok else "[red]wrong[/] ", end="")
        console.print(what, markup=False, soft_wrap=True)

    try:
        tests = poll.tests()
        for test in [test for test in tests if not test.is_classic][:LOOK_AHEAD]:
            try:
                listing = poll.listings.read(test.test_id, FIRST_PAGE, lambda _: True)
                say(True, f"test {test.title}: {listing.total:,} sessions")
            except ApiError as error:
                say(False, str(error))
        for line in poll.tally.failed:
            say(False, line)
        classic = sum(test.is_classic for test in tests)
        say(bool(tests), f"{len(tests)} tests found" + (f", {classic} of them classic, not served" if classic else ""))
        say(True, f"credentials work at {poll.settings.base_url}")
    except UserTestingError as error:
        say(False, str(error))
    try:
        try_destination(pipeline)
        say(True, f"destination {pipeline.destination.destination_name} takes connections")
    except DestinationError as error:
        say(False, str(error))
    console.print(f"{poll.requests} requests spent.", style="dim")
    return 0 if good else 1


def try_destination(pipeline: dlt.Pipeline) -> None:
    """
    Connects to the destination.

    Raises:
        DestinationError: it does not answer, or its configuration is incomplete.

    """
    try:
        with pipeline.destination_client() as client:
            client.is_storage_initialized()
    except Exception as error:
        said = f"{type(error).__name__}: {str(error)[:400]}"
        raise DestinationError(
            f"The destination of pipeline `{pipeline.pipeline_name}` cannot be used: {said} Check section"
            f" `destination.{pipeline.destination.destination_name}` of .dlt/secrets.toml."
        ) from error


def list_tests(source: UserTestingSource) -> Table:
    """All tests that the settings lead to, as a table to pick ids from; classic ones are marked."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("id", no_wrap=True)
    table.add_column("title", ratio=1)
    for name in ("type", "product type", "ordered"):
        table.add_column(name, no_wrap=True)
    source.poll.begin()
    for test in source.poll.tests():
        study = test.study
        kind = str(study.get("type") or "")
        table.add_row(
            test.test_id,
            str(study.get("title") or ""),
            f"{kind}, classic" if test.is_classic else kind,
            str(study.get("productType") or ""),
            str(study.get("orderedAt") or "")[:10],
        )
    return table
