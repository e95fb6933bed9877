"""The figures of a report: a chart, what it shows in words for those who do not see it, and its numbers as a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import charts
from .results import Results

Row = Mapping[str, Any]
NONE = "–"  # noqa: RUF001 - a dash, where there is no number
OPTIONS = 20
"""So many options a chart shows; the table has all."""

_COMPONENTS = ("behavioral", "attitudinal", "usability", "trust", "appearance", "loyalty")


@dataclass(frozen=True)
class Figure:
    """
    See the module.

    Attributes:
        title: what is asked.
        kicker: the task, and its kind.
        svg: the chart.
        text: what the chart shows, in words.
        columns, rows: its numbers; the first column names the row.
        note: what to know about it.

    """

    title: str
    kicker: str
    svg: str
    text: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def task_name(task: Row) -> str:
    """How charts and tables call a task."""
    return f"Task {task['task_position']}"


def percent(share: float | None) -> str:
    """A share of 1 as a whole percentage."""
    return NONE if share is None else f"{100 * share:.0f} %"


def seconds(value: float | None) -> str:
    """Seconds as people say them."""
    if value is None:
        return NONE
    return f"{value:.0f} s" if value < 100 else f"{value / 60:.1f} min"


def _number(value: float | None, digits: int = 1) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _bounds(low: float | None, high: float | None) -> str:
    return NONE if low is None or high is None else f"{100 * low:.0f}–{100 * high:.0f} %"  # noqa: RUF001 - a range


def funnel(results: Results) -> Figure | None:
    """How each task ended."""
    if not results.tasks:
        return None
    names = [task_name(task) for task in results.tasks]
    counts = [
        {"task": name, "outcome": outcome, "sessions": number}
        for name, task in zip(names, results.tasks, strict=True)
        for outcome, number in _outcomes(task).items()
        if number
    ]
    rows = [
        (
            name,
            task["task_text"] or "",
            *(str(task[column]) for column in ("shown", "reached", "completed", "failed", "skipped")),
            percent(task["success_rate"]),
            _bounds(task["success_low"], task["success_high"]),
        )
        for name, task in zip(names, results.tasks, strict=True)
    ]
    worst = max(results.tasks, key=lambda task: task["failed"])
    text = f"{len(names)} tasks, as stacked bars of sessions by how the task ended."
    if worst["failed"]:
        text += f" Most failures: {task_name(worst)}, {worst['failed']} of {worst['reached']} who reached it."
    columns = ("", "prompt", "shown", "reached", "completed", "failed", "skipped", "success", "95 % bounds")
    note = "Success counts only who has a verdict, goal reached or missed; skipped and unreached tasks are left out."
    return Figure("How did each task end?", "", charts.funnel(counts, names), text, columns, rows, note)


def _outcomes(task: Row) -> dict[str, int]:
    ended = task["completed"] + task["failed"] + task["skipped"]
    return {
        "completed": task["completed"],
        "failed": task["failed"],
        "left": task["reached"] - ended,
        "skipped": task["skipped"],
        "not reached": task["shown"] - task["reached"],
    }


def times(results: Results) -> Figure | None:
    """How long each task took."""
    named = {task["task_uuid"]: task_name(task) for task in results.tasks}
    order = list(named)
    boxes = sorted(
        (dict(row, task=named[row["task_uuid"]]) for row in results.boxes if row["task_uuid"] in named),
        key=lambda row: order.index(row["task_uuid"]),
    )
    if not boxes:
        return None
    points = [{"task": named[row["task_uuid"]], "seconds": row["seconds"]} for row in results.points]
    quantiles = ("least", "p25", "p50", "p75", "most")
    rows = [(box["task"], str(box["n"]), *(seconds(box[name]) for name in quantiles)) for box in boxes]
    slowest = max(boxes, key=lambda box: box["p50"])
    text = f"Times of each task. The longest median: {slowest['task']}, {seconds(slowest['p50'])}."
    note = (
        "The tick is the median, the bar the middle half of the people, the line the middle 80 %; a dot is a person"
        " (who took much longer than all others is in the table only)."
    )
    columns = ("", "n", "shortest", "quarter below", "median", "quarter above", "longest")
    svg = charts.times(boxes, points, list(named.values()))
    return Figure("How long did each task take?", "", svg, text, columns, rows, note)


def answers(results: Results) -> list[Figure]:
    """A figure for each task whose answers are numbers or choices, in the order of the test plan."""
    numbers, options = _by_task(results.numbers), _by_task(results.options)
    figures = []
    for task in results.tasks:
        if found := numbers[task["task_uuid"]]:
            figures.append(_nps(task, found) if task["nps_n"] else _rating(task, found))
        if chosen := options[task["task_uuid"]]:
            figures.append(_options(task, chosen))
    return figures


def _by_task(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["task_uuid"]].append(row)
    return found


def _kicker(task: Row, what: str) -> str:
    return f"{task_name(task)} · {what}"


def _rating(task: Row, found: Sequence[Row]) -> Figure:
    counted = _each(found, int(task["scale_max"]) if task["scale_max"] else 0, first=1)
    of = f" of {task['scale_max']:g}" if task["scale_max"] else ""
    text = f"{task['rating_n']} ratings, mean {task['mean_rating']:.1f}{of}."
    rows = [(row["value"], str(row["answers"]), percent(row["answers"] / task["rating_n"])) for row in counted]
    svg = charts.distribution(counted, "value", "answers")
    return Figure(
        task["task_text"] or "", _kicker(task, "rating"), svg, text, ("rating", "answers", "share"), rows, text
    )


def _each(found: Sequence[Row], last: int, first: int) -> list[dict[str, Any]]:
    """Answers by number; those that nobody gave as well, where the scale is known."""
    counts = {row["number"]: row["answers"] for row in found}
    places = [*range(first, last + 1)] if 0 < last <= 11 else []
    return [
        {"value": f"{number:g}", "answers": counts.get(number, 0)} for number in sorted({*map(float, places), *counts})
    ]


def _nps(task: Row, found: Sequence[Row]) -> Figure:
    groups = {"detractors": "bad", "passives": "none", "promoters": "good"}
    counted = [{**row, "group": _group(float(row["value"]))} for row in _each(found, 10, first=0)]
    rows = [(row["value"], str(row["answers"]), row["group"]) for row in counted]
    text = (
        f"NPS {task['nps']:.0f} of {task['nps_n']} answers, bounds {task['nps_low']:.0f} to {task['nps_high']:.0f}:"
        f" {task['promoters']} promoters, {task['passives']} passives, {task['detractors']} detractors."
    )
    svg = charts.distribution(counted, "value", "answers", groups)
    return Figure(task["task_text"] or "", _kicker(task, "NPS"), svg, text, ("answer", "answers", "who"), rows, text)


def _group(score: float) -> str:
    return "promoters" if score >= 9 else "detractors" if score <= 6 else "passives"


def _options(task: Row, found: Sequence[Row]) -> Figure:
    if any(row["value"] is not None for row in found):
        return _matrix(task, found)
    if any(row["mean_rank"] is not None for row in found):
        return _ranking(task, found)
    ordered = sorted(found, key=lambda row: (-row["chosen"], row["label"]))
    shown = [{"label": row["label"], "percent": 100 * (row["share"] or 0)} for row in ordered[:OPTIONS]]
    first = ordered[0]
    text = f"Chosen most: {first['label']}, by {first['chosen']} of {first['respondents']}."
    rows = [(row["label"], f"{row['chosen']} of {row['respondents']}", percent(row["share"])) for row in ordered]
    columns = ("option", "chosen by", "share")
    return Figure(task["task_text"] or "", _kicker(task, "choice"), charts.shares(shown), text, columns, rows)


def _ranking(task: Row, found: Sequence[Row]) -> Figure:
    ordered = sorted(found, key=lambda row: (row["mean_rank"] is None, row["mean_rank"] or 0, row["label"]))
    shown = [dict(row) for row in ordered if row["mean_rank"] is not None][:OPTIONS]
    shown = [{"label": row["label"], "mean_rank": row["mean_rank"]} for row in shown]
    text = f"Ranked best: {ordered[0]['label']}, mean rank {ordered[0]['mean_rank']:.1f}."
    rows = [
        (row["label"], _number(row["mean_rank"]), str(row["first_ranks"] or 0), str(row["respondents"]))
        for row in ordered
    ]
    columns = ("option", "mean rank", "ranked first", "n")
    return Figure(task["task_text"] or "", _kicker(task, "ranking"), charts.ranks(shown), text, columns, rows)


def _matrix(task: Row, found: Sequence[Row]) -> Figure:
    values = sorted({row["value"] for row in found if row["value"] is not None})
    labels = list(dict.fromkeys(row["label"] for row in found))
    cells = {(row["label"], row["value"]): row for row in found}
    shares = {place: 100 * (row["share"] or 0) for place, row in cells.items()}
    shown = [
        {"label": label, "value": value, "percent": shares.get((label, value), 0.0)}
        for label in labels
        for value in values
    ]
    rows = [
        (label, *(str(cells[label, value]["chosen"]) if (label, value) in cells else "0" for value in values))
        for label in labels
    ]
    text = f"{len(labels)} rows, each given one of {len(values)} answers; the percentage of people in each cell."
    svg = charts.matrix(shown, values)
    return Figure(task["task_text"] or "", _kicker(task, "matrix"), svg, text, ("", *values), rows)


def qx(results: Results) -> list[Figure]:
    """The newest QXscore of each task group with its components, and how it moved."""
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in results.scores:
        groups[row["task_group_id"]].append(row)
    return [figure for rows in groups.values() for figure in _qx(rows)]


def _qx(rows: Sequence[Row]) -> Iterator[Figure]:
    newest = rows[-1]
    name = newest["label"] or "QXscore"
    parts = [{"label": part, "percent": newest[part]} for part in _COMPONENTS if newest[part] is not None]
    completes = newest["completes"]
    score = _number(newest["qx_score"], 0)
    text = f"QXscore {score} of 100, over {completes or 'an unknown number of'} completed sessions."
    if parts:
        table = [(part["label"], _number(part["percent"], 0)) for part in parts]
        svg = charts.shares(parts, "0 to 100")
        yield Figure(f"{name}: {score}", "QXscore", svg, text, ("component", "score"), table, text)
    moved = [row for row in rows if row["qx_score"] is not None]
    if len(moved) > 1:
        points = [{"when": f"{row['extracted_at']:%b %-d, %H:%M}", "score": row["qx_score"]} for row in moved]
        table = [(point["when"], _number(point["score"], 0)) for point in points]
        told = f"From {moved[0]['qx_score']:.0f} to {moved[-1]['qx_score']:.0f} in {len(moved)} changes."
        svg = charts.trend(points, "score", "QXscore")
        yield Figure(f"{name} over time", "QXscore", svg, told, ("when, UTC", "QXscore"), table)
