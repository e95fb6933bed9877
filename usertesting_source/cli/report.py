"""The command that writes reports: its options, and where the files go."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from ..errors import ConfigurationError
from ..explore.reading import Data
from ..explore.report import file_name, index_page, page
from ..explore.results import Row, loaded_tests, read
from ..explore.search import named_tests
from .command import exit_code, say
from .main import CONTEXT
from .reading import reading, reading_options

FOLDER = "usertesting_reports"


@click.command(context_settings=CONTEXT)
@click.argument("test", required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="PATH", help="The HTML file; with --all, the folder of them."
)
@click.option("--all", "every", is_flag=True, help=f"All tests, and an index of them, into the folder {FOLDER}.")
@reading_options
def main(test: str | None, verbose: bool, **options: Any) -> None:
    """
    Write a report on a test as one HTML file, to open, mail or print.

    TEST is an id, a title or a part of it; without it, the test with the newest session. The file holds everything,
    asks for nothing from the network, and has no script. It holds what participants said: --redact hides who they are.
    """
    console = Console(highlight=False)
    sys.exit(exit_code(lambda: run(console, test, **options), console, verbose))


def run(console: Console, test: str | None, out: Path | None, every: bool, **where: Any) -> int:
    """Writes; returns the exit code."""
    if every and test:
        raise click.UsageError("Give a TEST or --all, not both.")
    with reading(**where) as data:
        tests = loaded_tests(data)
        if not tests:
            raise ConfigurationError("No session is loaded yet, so there is nothing to report: run `usertesting load`.")
        if every:
            _write_all(console, data, tests, out or Path(FOLDER))
        else:
            _write_one(console, data, tests, test, out)
    return 0


def _write_one(console: Console, data: Data, tests: list[Row], name: str | None, out: Path | None) -> None:
    chosen = named_tests(data, name) if name else [tests[0]["test_id"]]
    found = [test for test in tests if test["test_id"] in chosen]
    if len(found) != 1:
        titles = "; ".join(test["test_title"] for test in found) or "none with a session"
        raise ConfigurationError(f"{name!r} fits {len(found)} tests ({titles}): give more of the title, or the id.")
    path = out or Path(f"report-{file_name(found[0]['test_title'])}")
    _write(path, page(read(data, found[0]["test_id"]), _now(), data.loaded_at()))
    say(console, f"{found[0]['test_title']}: {path}")
    if name is None and len(tests) > 1:
        say(console, f"The newest of {len(tests)} tests; name another one, or write them all with --all.", "dim")


def _write_all(console: Console, data: Data, tests: list[Row], folder: Path) -> None:
    files = _files(tests)
    for test in tests:
        results = read(data, test["test_id"])
        _write(folder / files[test["test_id"]], page(results, _now(), data.loaded_at(), index="index.html"))
    _write(folder / "index.html", index_page(tests, files, _now()))
    say(console, f"{len(tests)} {'report' if len(tests) == 1 else 'reports'}: {folder / 'index.html'}")


def _files(tests: list[Row]) -> dict[str, str]:
    """A file for each test; those of one title are told apart by their ids."""
    names = [file_name(test["test_title"]) for test in tests]
    return {
        test["test_id"]: name
        if names.count(name) == 1 and name != "index.html"
        else f"{name[:-5]}-{test['test_id'][:8]}.html"
        for test, name in zip(tests, names, strict=True)
    }


def _write(path: Path, html: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}. Name another place with --out."
        ) from error


def _now() -> datetime:
    return datetime.now(timezone.utc)
