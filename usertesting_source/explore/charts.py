"""
Charts as SVG, by altair and vl-convert: no script, no font, no address in them.

Colours are left to the page: each is drawn in a colour that nobody else uses and then replaced by a variable of CSS, so
that one drawing is right on white and on black.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..extras import needed

WIDTH = 330
"""Of the plotting area, in px: with its labels a chart fits a phone."""

FAR = 1.5
"""Times beyond so many times the longest p90 are left to the table: one long break makes all others look alike."""

_ROW = 26
_FONT = "system-ui, sans-serif"
_COLOURS = {
    "ink": "#010203",
    "soft": "#010204",
    "line": "#010205",
    "main": "#010206",
    "pale": "#010207",
    "good": "#010208",
    "bad": "#010209",
    "skip": "#01020a",
    "none": "#01020b",
}
OUTCOMES = {"completed": "good", "failed": "bad", "left": "pale", "skipped": "skip", "not reached": "none"}

Rows = Sequence[Mapping[str, Any]]


def funnel(rows: Rows, tasks: Sequence[str]) -> str:
    """How each task ended: `rows` of task, outcome, sessions; a bar a task, in the order of `tasks`."""
    alt = _altair()
    scale = alt.Scale(domain=list(OUTCOMES), range=[_COLOURS[name] for name in OUTCOMES.values()])
    order = {outcome: number for number, outcome in enumerate(OUTCOMES)}
    data = [{**row, "order": order[row["outcome"]]} for row in rows]
    return _svg(
        alt.Chart(_data(data))
        .mark_bar(height=14)
        .encode(
            x=alt.X("sum(sessions):Q", title="sessions", stack="zero", axis=_whole(rows, "sessions")),
            y=_tasks(tasks),
            color=alt.Color("outcome:N", scale=scale, legend=alt.Legend(title=None, orient="top", columns=3)),
            order="order:Q",
        ),
        len(tasks),
    )


def times(boxes: Rows, points: Rows, tasks: Sequence[str]) -> str:
    """
    How long tasks took: `boxes` of task, p10, p25, p50, p75, p90, in seconds; `points` of task, seconds.

    The middle half is a bar, the middle 80 % a line, the median a tick.
    """
    alt = _altair()
    base, y = alt.Chart(_data(boxes)), _tasks(tasks)
    most = FAR * max((box["p90"] for box in boxes), default=1)
    x = {"title": "seconds", "scale": alt.Scale(domain=[0, most])}
    points = [point for point in points if point["seconds"] <= most]
    layers = [
        base.mark_rule(color=_COLOURS["soft"]).encode(x=alt.X("p10:Q", **x), x2="p90:Q", y=y),
        base.mark_bar(color=_COLOURS["pale"], height=12).encode(x=alt.X("p25:Q", **x), x2="p75:Q", y=y),
        base.mark_tick(color=_COLOURS["main"], thickness=3, height=16).encode(x=alt.X("p50:Q", **x), y=y),
    ]
    if points:
        dots = alt.Chart(_data(points)).mark_circle(color=_COLOURS["ink"], size=14, opacity=0.55)
        layers.insert(2, dots.encode(x=alt.X("seconds:Q", **x), y=y))
    return _svg(alt.layer(*layers), len(tasks))


def distribution(rows: Rows, value: str, count: str, groups: Mapping[str, str] | None = None) -> str:
    """A bar for each `value` in order; `groups`: a colour's name for each group in the rows' column `group`."""
    alt = _altair()
    chart = alt.Chart(_data(rows)).mark_bar(color=_COLOURS["main"])
    colour = {}
    if groups:
        scale = alt.Scale(domain=list(groups), range=[_COLOURS[name] for name in groups.values()])
        colour = {"color": alt.Color("group:N", scale=scale, legend=alt.Legend(title=None, orient="top"))}
    return _svg(
        chart.encode(
            x=alt.X(f"{value}:O", title=None, sort=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y(f"{count}:Q", title="answers", axis=_whole(rows, count)),
            **colour,
        ),
        5,
    )


def shares(rows: Rows, title: str = "% of those who answered") -> str:
    """A bar for each option: `rows` of label, percent."""
    alt = _altair()
    y = alt.Y("label:N", title=None, sort=None, axis=alt.Axis(labelLimit=150))
    base = alt.Chart(_data(rows)).encode(y=y)
    x = alt.X("percent:Q", title=title, scale=alt.Scale(domain=[0, 100]))
    return _svg(base.mark_bar(color=_COLOURS["main"], height=14).encode(x=x), len(rows), WIDTH - 90)


def ranks(rows: Rows) -> str:
    """A dot for each option at its mean rank: `rows` of label, mean_rank; `of`: how many ranks there are."""
    alt = _altair()
    lowest = max(len(rows), 2)
    x = alt.X("mean_rank:Q", title="mean rank, 1 is best", scale=alt.Scale(domain=[1, lowest], nice=False))
    y = alt.Y("label:N", title=None, sort=None, axis=alt.Axis(labelLimit=150, grid=True))
    chart = alt.Chart(_data(rows)).mark_circle(color=_COLOURS["main"], size=90, opacity=1)
    return _svg(chart.encode(x=x, y=y), len(rows), WIDTH - 90)


def matrix(rows: Rows, columns: Sequence[str]) -> str:
    """How the rows of a matrix were answered: `rows` of label, value, percent; the more chose it, the darker a cell."""
    alt = _altair()
    width = WIDTH - 40
    limit = width / max(len(columns), 1) - 6
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("value:N", title=None, sort=list(columns), axis=alt.Axis(orient="top", labelAngle=0, labelLimit=limit)),
        y=alt.Y("label:N", title=None, sort=None, axis=alt.Axis(labelLimit=120)),
    )
    cells = base.mark_rect(color=_COLOURS["main"]).encode(
        opacity=alt.Opacity("percent:Q", scale=alt.Scale(domain=[0, 100], range=[0.04, 0.75]), legend=None)
    )
    numbers = base.mark_text(color=_COLOURS["ink"], fontSize=11).encode(text=alt.Text("percent:Q", format=".0f"))
    return _svg(cells + numbers, len({row["label"] for row in rows}), width)


def trend(rows: Rows, value: str, title: str) -> str:
    """A line over time: `rows` of when (text), and `value`."""
    alt = _altair()
    line = alt.Chart(_data(rows)).mark_line(color=_COLOURS["main"], point=alt.OverlayMarkDef(color=_COLOURS["main"]))
    y = alt.Y(f"{value}:Q", title=title, scale=alt.Scale(domain=[0, 100]))
    return _svg(line.encode(x=alt.X("when:O", title=None, sort=None, axis=alt.Axis(labelAngle=0)), y=y), 5)


def _tasks(tasks: Sequence[str]) -> Any:
    alt = _altair()
    return alt.Y("task:N", title=None, sort=list(tasks), scale=alt.Scale(domain=list(tasks)))


def _whole(rows: Rows, column: str) -> Any:
    """An axis of people: no halves of them."""
    alt = _altair()
    largest = max((row[column] for row in rows), default=1)
    return alt.Axis(format="d", tickMinStep=1, tickCount=min(int(largest) + 1, 6))


def _data(rows: Rows) -> Any:
    return _altair().Data(values=[dict(row) for row in rows])


def _svg(chart: Any, rows: int, width: int = WIDTH) -> str:
    import vl_convert  # noqa: PLC0415 - an extra

    room = {"left": 24, "right": 12, "top": 4, "bottom": 4}  # a reader's font may be wider than the one measured with
    size = chart.properties(width=width, height=max(rows, 2) * _ROW, padding=room)
    look = (
        size.configure(background="transparent", font=_FONT)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=_COLOURS["ink"],
            titleColor=_COLOURS["soft"],
            titleFontWeight="normal",
            gridColor=_COLOURS["line"],
            domainColor=_COLOURS["line"],
            tickColor=_COLOURS["line"],
            labelFontSize=12,
            titleFontSize=11,
        )
        .configure_axisY(grid=False, ticks=False, labelPadding=8)
        .configure_axisX(labelFontSize=11)
        .configure_legend(labelColor=_COLOURS["ink"], labelFontSize=11)
    )
    return _for_pages(vl_convert.vegalite_to_svg(look.to_dict()))


def _for_pages(svg: str) -> str:
    """An SVG to stand in a page: in the page's colours, as wide as there is room, hidden from who hears its text."""
    for name, colour in _COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    width, height = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg).groups()  # type: ignore[union-attr] # always there
    body = svg[svg.index(">") + 1 :]
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" aria-hidden="true">{body}'


def _altair() -> Any:
    with needed("report", "The report"):
        import altair  # noqa: PLC0415 - an extra, and slow to import
    return altair
