"""
A report on one test, as one HTML file that needs nothing else: no script, no network, no font.

What is read: `results`. What is shown: figures with their numbers, and the participants' own words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..extras import needed
from . import figures, statistics
from .links import clock, results_page
from .results import Results, Row
from .trouble import RULE, bad_tasks, vocabulary

KINDS = {
    "SURVEY": "A survey",
    "NON_THINK_OUT_LOUD": "An interaction test",
    "THINK_OUT_LOUD": "A think-out-loud test",
    "LIVE_CONVERSATION": "A live conversation",
}
DEMOGRAPHICS = 8
"""So many answers to a demographic question are listed; the rest is added up."""


@dataclass(frozen=True)
class Number:
    """
    One of the numbers that a report opens with.

    Attributes:
        name: what it is.
        value: in words, with its unit.
        n: of whom or of what.
        bounds: in words; empty: there are none, which `why` explains.
        why: a remark.
        range: where low, value and high lie on its scale, in percent; None: nothing to draw.

    """

    name: str
    value: str
    n: str
    bounds: str = ""
    why: str = ""
    range: tuple[float, float, float] | None = None


def file_name(title: str) -> str:
    """A file's name for a test: `checkout-survey.html`."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return (re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:60] or "test") + ".html"


def page(results: Results, made_at: datetime, loaded_at: datetime | None = None, index: str | None = None) -> str:
    """
    The report on a test, as HTML.

    Args:
        results: what is known of it.
        made_at: now.
        loaded_at: when the newest load was completed.
        index: the address of a page of all tests.

    Raises:
        ConfigurationError: the extra `report` is not installed.

    """
    sessions = int((results.kpis or {}).get("sessions") or 0)
    return _rendered(
        "report.html.j2",
        results=results,
        sessions=sessions,
        sample=statistics.in_words(sessions),
        numbers=five_numbers(results),
        people=_people(results.people, sessions),
        funnel=figures.funnel(results),
        times=figures.times(results),
        answers=figures.answers(results),
        qx=figures.qx(results),
        bad=bad_tasks(results.tasks, results.troubled, results.said, results.written),
        rule=RULE,
        kinds=KINDS,
        vocabulary=vocabulary(results.troubled, results.words),
        complete=_completeness(results),
        link=results_page(results.test_id),
        made_at=made_at,
        loaded_at=loaded_at,
        index=index,
    )


def index_page(tests: Sequence[Row], files: Mapping[str, str], made_at: datetime) -> str:
    """
    A page of all tests, each with its numbers and a link to its report.

    Args:
        tests: as `results.loaded_tests` has them.
        files: the file of each test's report, by test id.
        made_at: now.

    """
    return _rendered("index.html.j2", tests=tests, files=files, made_at=made_at)


def five_numbers(results: Results) -> list[Number]:
    """Success, NPS, rating, length and QXscore, each with n and bounds; one that was not asked for says so."""
    kpis = results.kpis or {}
    return [_success(kpis), _nps(kpis), _rating(kpis, results.spreads), _minutes(results.minutes), _qx(kpis)]


def _success(kpis: Row) -> Number:
    if not kpis.get("success_n"):
        return Number("Task success", figures.NONE, "no navigation task")
    rate, low, high = (100 * kpis[name] for name in ("success_rate", "success_low", "success_high"))
    return Number(
        "Task success",
        f"{rate:.0f} %",
        f"{kpis['successes']} of {kpis['success_n']} tries",
        _between(low, high, " %"),
        range=(low, rate, high),
    )


def _nps(kpis: Row) -> Number:
    if not kpis.get("nps_n"):
        return Number("NPS", figures.NONE, "not asked")
    low, value, high = kpis["nps_low"], kpis["nps"], kpis["nps_high"]
    return Number(
        "NPS",
        f"{value:.0f}",
        f"{kpis['nps_n']} answers",
        _between(low, high),
        f"{kpis['promoters']} promoters, {kpis['passives']} passives, {kpis['detractors']} detractors",
        ((low + 100) / 2, (value + 100) / 2, (high + 100) / 2),
    )


def _rating(kpis: Row, spreads: Row) -> Number:
    if not spreads.get("n"):
        n = kpis.get("rating_n")
        return Number("Rating", figures.NONE, f"{n} ratings on a scale that is not told" if n else "not asked")
    share = spreads["mean"]
    found = statistics.from_spread(share, spreads["deviation"] or 0.0, spreads["n"])
    scale = kpis.get("scale_max")
    value = f"{kpis['mean_rating']:.1f} of {scale:g}" if scale and kpis.get("mean_rating") else f"{100 * share:.0f} %"
    why = "" if scale else "of the scale: the tasks have different scales"
    if found is None:
        return Number("Rating", value, f"{spreads['n']} rating", why=why or "one rating has no bounds")
    low, high = max(found.low, 0.0), min(found.high, 1.0)
    bounds = _between(low * scale, high * scale, digits=1) if scale else _between(100 * low, 100 * high, " %")
    return Number("Rating", value, f"{spreads['n']} ratings", bounds, why, (100 * low, 100 * share, 100 * high))


def _minutes(minutes: Sequence[float]) -> Number:
    if not minutes:
        return Number("Length of a session", figures.NONE, "no times")
    ordered = sorted(minutes)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    found = statistics.of_median(ordered)
    n = f"median of {len(ordered)}"
    if found is None:
        return Number("Length of a session", f"{middle:.1f} min", n, why="too few for bounds")
    most = ordered[-1] or 1
    place = (100 * found.low / most, 100 * middle / most, 100 * found.high / most)
    bounds = _between(found.low, found.high, " min", 1)
    return Number("Length of a session", f"{middle:.1f} min", n, bounds, range=place)


def _qx(kpis: Row) -> Number:
    if kpis.get("qx_score") is None:
        return Number("QXscore", figures.NONE, "no score for this test")
    score, n = kpis["qx_score"], kpis.get("qx_n")
    told = f"{n} sessions" if n else "n is not told"
    return Number("QXscore", f"{score:.0f}", told, why="the API gives no spread, so no bounds", range=(score,) * 3)


def _between(low: float, high: float, unit: str = "", digits: int = 0) -> str:
    # a bound that rounds to nothing is no minus nothing
    return f"{low + 0.0:.{digits}f} to {high + 0.0:.{digits}f}{unit}".replace("-", "−")  # noqa: RUF001 - a minus sign


def _people(rows: Sequence[Row], sessions: int) -> list[tuple[str, list[tuple[str, int, float]], int]]:
    """Per demographic question its most frequent answers with people and percent, and how many further answers."""
    asked: dict[str, list[Row]] = {}
    for row in rows:
        asked.setdefault(row["label"] or row["code"] or "", []).append(row)
    return [
        (
            question,
            [(row["value"], row["sessions"], 100 * row["sessions"] / max(sessions, 1)) for row in found[:DEMOGRAPHICS]],
            max(len(found) - DEMOGRAPHICS, 0),
        )
        for question, found in asked.items()
    ]


def _completeness(results: Results) -> list[tuple[str, str]]:
    status, span = results.status, results.span
    said = f"{span.get('transcripts') or 0} with a transcript, {span.get('videos') or 0} with a video"
    checked = status.get("last_checked_at")
    return [
        (
            "Sessions",
            f"{status.get('detailed') or 0} of {status.get('listed') or 0} that the API lists are here; {said}",
        ),
        ("Removed since", f"{status.get('removed') or 0}, left out of all numbers"),
        ("Waited for", f"{status.get('waiting') or 0} things that are not there yet"),
        ("Open issues", f"{status.get('open_issues') or 0} things that failed or never came; see load_issues"),
        ("Newest session", _moment(status.get("newest_session"))),
        ("Last checked", _moment(checked) if checked else "not known"),
    ]


def _moment(value: datetime | None) -> str:
    return f"{value:%B %-d, %Y, %H:%M} UTC" if value else figures.NONE


def _day(value: datetime | None) -> str:
    return f"{value:%B %-d, %Y}" if value else figures.NONE


def _rendered(template: str, **told: Any) -> str:
    with needed("report", "The report"):
        import jinja2  # noqa: PLC0415 - an extra
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__ or ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"moment": _moment, "day": _day, "clock": clock, "percent": figures.percent}
    environment.globals |= {"results_page": results_page, "task_name": figures.task_name}
    return environment.get_template(template).render(**told)
