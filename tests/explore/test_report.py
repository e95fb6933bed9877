"""`usertesting report`: one page that needs nothing else, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from tests.support import lab
from tests.support.browser import Browser, running
from usertesting_source import load
from usertesting_source.cli.main import main
from usertesting_source.explore.report import file_name, page
from usertesting_source.explore.results import read
from usertesting_source.sample_api import SampleApi, every_task_study, simple_study

SECTIONS = ["numbers", "tested", "funnel", "time", "answers", "qx", "badly", "words", "data"]
NOW = datetime(2026, 3, 1, 8, 0, tzinfo=timezone.utc)


def report(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", *arguments])


@pytest.fixture(scope="module")
def pages(demo_files: Path) -> Path:
    """The folder of the demo's reports with their index."""
    folder = demo_files / "reports"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(demo_files)
        for key, value in lab.machine(demo_files).items():
            patch.setenv(key, value)
        result = report("--demo", "--all", "--out", str(folder))
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as found:
        yield found


def files(pages: Path) -> list[Path]:
    return sorted(file for file in pages.glob("*.html") if file.name != "index.html")


def test_nothing_is_asked_for_and_nothing_goes_wrong(pages: Path, browser: Browser) -> None:
    """No script, no request but for the file itself, no word on the console."""
    for file in pages.glob("*.html"):
        assert file.stat().st_size < 1_000_000
        browser.open(file)
        assert browser.requests() == [file.as_uri()]
        assert browser.errors() == []
        assert browser.ask("document.querySelectorAll('script, link[href^=http], iframe').length") == 0


def test_every_section_is_there_with_something_in_it(pages: Path, browser: Browser) -> None:
    """Each has a heading that names it, and is found from the contents."""
    assert len(files(pages)) == 3
    for file in files(pages):
        browser.open(file)
        assert browser.ask("[...document.querySelectorAll('main > section')].map(s => s.id)") == SECTIONS
        links = browser.ask("[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href'))")
        assert links == [f"#{name}" for name in SECTIONS]
        for name in SECTIONS:
            text = browser.ask(f"document.getElementById('{name}').innerText")
            assert len(text.splitlines()) > 1, name
        assert re.search(r"Last checked\s+\w+ \d+, \d{4}", browser.ask("document.getElementById('data').innerText"))


def test_who_does_not_see_hears_the_same(pages: Path, browser: Browser) -> None:
    """Each chart has its message in words and its numbers as a table with headings; the page has its landmarks."""
    for file in files(pages):
        browser.open(file)
        charts = browser.ask(
            "[...document.querySelectorAll('.chart')].map(c => [c.getAttribute('role'), c.getAttribute('aria-label'),"
            " c.querySelector('svg').getAttribute('aria-hidden'),"
            " c.closest('figure').querySelectorAll('tbody th[scope=row]').length])"
        )
        assert len(charts) >= 4
        for role, label, hidden, rows in charts:
            assert (role, hidden) == ("img", "true")
            assert len(label) > 15
            assert rows > 0
        assert browser.ask("document.documentElement.lang") == "en"
        for landmark in ("header", "nav[aria-label]", "main", "body > footer", "h1"):
            assert browser.ask(f"document.querySelectorAll('{landmark}').length") == 1, landmark
        levels = browser.ask("[...document.querySelectorAll('h1,h2,h3')].map(h => Number(h.tagName[1]))")
        assert all(deeper - level <= 1 for level, deeper in pairwise(levels))


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_desks_and_phones(pages: Path, browser: Browser, width: int) -> None:
    """Nothing is wider than the screen; what it looks like is kept as PNGs beside the reports."""
    for file in pages.glob("*.html"):
        browser.open(file, width)
        assert browser.ask("document.documentElement.scrollWidth") <= width, file.name
        shot = browser.shoot(pages / "screenshots" / f"{file.stem}-{width}.png")
        assert shot.startswith(b"\x89PNG")


def test_it_is_dark_at_night_and_white_on_paper(pages: Path, browser: Browser) -> None:
    """Charts follow the page: their text is light on dark, and each colour of theirs is known."""
    [file] = [file for file in files(pages) if "return" in file.name]
    lightness = {}
    for dark in (False, True):
        browser.open(file, dark=dark)
        of = "(getComputedStyle(document.querySelector('{}')).{}.match(/[0-9]+/g).map(Number).reduce((a, b) => a + b))"
        lightness[dark] = [
            browser.ask(of.format("body", "backgroundColor")),
            browser.ask(of.format("svg text", "fill")),
        ]
        browser.shoot(file.parent / "screenshots" / f"{file.stem}-{'dark' if dark else 'light'}.png")
    day, night = lightness[False], lightness[True]
    assert day[0] > 600
    assert day[1] < 200
    assert night[0] < 200
    assert night[1] > 600
    assert browser.printed().startswith(b"%PDF")


def test_the_page_s_colours_can_be_read() -> None:
    """Text and what stands for text has a contrast of 4.5 at least, bars of 3, by day and by night."""
    css = (lab.ROOT / "usertesting_source/explore/templates/style.css").read_text()
    light, dark, printed = (
        dict(re.findall(r"--(\w+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)
    )
    for colours in (light, dark, printed):
        for ground in ("paper", "card"):
            for ink in ("ink", "soft", "main", "bad"):
                assert _contrast(colours[ink], colours[ground]) >= 4.5 - 0.05, (ink, ground)
            assert _contrast(colours["good"], colours[ground]) >= 3


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_numbers_are_those_of_the_views(pages: Path, demo_files: Path, browser: Browser) -> None:
    """Success with its tries, NPS with its answers, the funnel's counts: what the page says is what the view holds."""
    with duckdb.connect(str(next(demo_files.glob("*demo.duckdb"))), read_only=True) as database:
        database.execute("use usertesting")
        kpis = database.execute(
            "select test_title, successes, success_n, round(100 * success_rate), nps, nps_n from test_kpis"
        ).fetchall()
        tasks = database.execute(
            "select test_title, shown, reached, completed, failed, skipped from task_kpis k"
        ).fetchall()
    for title, successes, tries, rate, nps, answered in kpis:
        browser.open(next(file for file in files(pages) if file.name == file_name(title)))
        numbers = browser.ask("document.getElementById('numbers').innerText")
        if tries:
            assert f"{rate:.0f} %" in numbers
            assert f"{successes} of {tries} tries" in numbers
        assert f"{answered} answers" in numbers
        assert f"{nps:.0f}" in numbers
        rows = browser.ask(
            "[...document.querySelectorAll('#funnel tbody tr')]"
            ".map(row => [...row.cells].slice(2, 7).map(cell => Number(cell.innerText)))"
        )
        assert sorted(rows) == sorted(list(row[1:]) for row in tasks if row[0] == title)


def test_quotes_are_words_that_somebody_said(pages: Path, demo_files: Path, browser: Browser) -> None:
    """Each has a session that exists, and a link to the results page of its test."""
    with duckdb.connect(str(next(demo_files.glob("*demo.duckdb"))), read_only=True) as database:
        sessions = {row[0][:8] for row in database.execute("select session_id from usertesting.sessions").fetchall()}
        spoken = database.execute("select transcript_plain_text from usertesting.transcripts").fetchall()
        written = database.execute("select words from usertesting.verbatims").fetchall()
    known = " ".join(" ".join(row[0].split()) for row in [*spoken, *written])
    seen = 0
    for file in files(pages):
        browser.open(file)
        quotes = browser.ask(
            "[...document.querySelectorAll('blockquote')].map(q => [q.querySelector('p').innerText,"
            " q.querySelector('a').innerText, q.querySelector('a').href])"
        )
        for text, session, link in quotes:
            assert text.strip("“”").removesuffix(" …") in known
            assert session.removeprefix("session ") in sessions
            assert re.fullmatch(r"https://app\.usertesting\.com/tests/[\w-]+/results", link)
        seen += len(quotes)
    assert seen > 5


def test_the_index_leads_to_each_report_and_back(pages: Path, browser: Browser) -> None:
    """By the test's title."""
    browser.open(pages / "index.html")
    links = browser.ask("[...document.querySelectorAll('tbody a')].map(a => [a.innerText, a.getAttribute('href')])")
    assert sorted(href for _, href in links) == [file.name for file in files(pages)]
    for title, href in links:
        browser.open(pages / href)
        assert browser.ask("document.querySelector('h1').innerText") == title
        assert browser.ask("document.querySelector('header a').getAttribute('href')") == "index.html"


def test_one_command_writes_one_file(demo: Path) -> None:
    """Of the newest test, and says which others there are; of another one by a part of its title."""
    result = report("--demo")
    assert result.exit_code == 0, result.output
    assert "The newest of 3 tests" in result.output
    assert len(list(demo.glob("report-*.html"))) == 1
    result = report("--demo", "checkout", "--out", "mine.html")
    assert result.exit_code == 0, result.output
    assert "<h1>Checkout survey</h1>" in (demo / "mine.html").read_text()


def test_redacted_pages_tell_nobody(demo: Path) -> None:
    """With --redact no id of a participant and no demographic answer is in the page."""
    with duckdb.connect(str(next(demo.glob("*demo.duckdb"))), read_only=True) as database:
        people = {
            row[0] for row in database.execute("select participant_id from usertesting.session_details").fetchall()
        }
    result = report("--demo", "return", "--redact", "--out", "safe.html")
    assert result.exit_code == 0, result.output
    html = (demo / "safe.html").read_text()
    assert not any(person.split("-")[0] in html for person in people)
    assert "no demographic answers came, or they are left out" in html


def test_a_name_that_fits_no_test_or_two_is_named(demo: Path) -> None:
    """With what there is; nothing is written."""
    for name, said in (("nothing", "No test is called"), ("the", "fits 2 tests")):
        result = report("--demo", name)
        assert result.exit_code == 1
        assert said in result.output
    assert list(demo.glob("*.html")) == []


def test_odd_tests_make_useful_pages(tmp_path: Path, browser: Browser) -> None:
    """One session, no titles, unknown answer shapes, every kind of task, a test without sessions: never a traceback."""
    studies: list[Any] = [
        simple_study(n=1, title="<b>One</b> & only"),
        simple_study("11111111-0000-4000-8000-000000000001", n=0),
        every_task_study(n=7, shapes="unknown"),
        every_task_study("22222222-0000-4000-8000-000000000002", n=9),
        every_task_study("33333333-0000-4000-8000-000000000003", n=12, shapes="mixed"),
    ]
    with SampleApi(studies, rate_limit=None) as api:
        pipeline = lab.pipeline_in(tmp_path, database="usertesting_data.duckdb")
        load(pipeline, lab.source_of(api))  # without a workspace: no titles
    result = report("--all", "--out", "odd")
    assert result.exit_code == 0, result.output
    assert len(files(tmp_path / "odd")) == 4
    for file in files(tmp_path / "odd"):
        browser.open(file, 390)
        assert browser.errors() == []
        assert browser.ask("[...document.querySelectorAll('main > section')].map(s => s.id)") == SECTIONS
        assert browser.ask("document.documentElement.scrollWidth") <= 390


class Nothing:
    """Data in which no table holds a row."""

    def rows(self, _: str, *__: object) -> list[dict[str, Any]]:
        return []


def test_a_test_without_data_is_a_page_that_says_so() -> None:
    """Each section tells what is missing."""
    html = page(read(Nothing(), "some-test"), NOW)
    assert "some-test" in html
    assert html.count("<section") == len(SECTIONS)


def test_what_a_participant_types_is_text(tmp_path: Path) -> None:
    """Markup in a title or a prompt is shown, not run."""
    results = read(Nothing(), "x")
    html = page(results.__class__(**{**results.__dict__, "status": {"test_title": "<script>alert(1)</script>"}}), NOW)
    assert "<script" not in html
    assert "&lt;script&gt;" in html
