"""
The data as files for other tools: JSON Lines and Parquet, CSV and Excel, Markdown, REFI-QDA.

Each file is written beside its name and then moved there, so that nobody picks up half of one.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..extras import needed
from .qdpx import write_project
from .reading import Data
from .records import passage_records, session_records

FORMATS = ("jsonl", "parquet", "csv", "xlsx", "markdown", "qdpx")
PER = ("session", "passage", "test")
_PER = {"jsonl": ("session", "passage"), "parquet": ("session", "passage"), "markdown": ("session", "test")}
_FOLDERS = ("csv", "markdown")

CELL = 32_767
"""Characters that a cell of Excel takes."""

_FORMULA = re.compile(r"^[=+\-@\t\r]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_AT_A_TIME = 5_000

_SHEETS = {
    "sessions": """
        select d.session_id, d.test_id, coalesce(n.title, d.test_id) as test_title, d.participant_id, d.start_time,
               d.finish_time
        from session_details as d left join sessions as s on s.session_id = d.session_id
        left join tests as n on n.test_id = d.test_id
        where s.removed_at is null order by d.test_id, d.finish_time, d.session_id""",
    "answers": "select * exclude (answer_json) from answers order by test_id, session_id, task_number",
    "demographics": """
        select d.test_id, g.* from demographics as g join session_details as d on d.session_id = g.session_id
        order by d.test_id, g.session_id, g.demographic_code""",
    "test_kpis": "select * from test_kpis order by test_id",
    "task_kpis": "select * from task_kpis order by test_id, task_number",
}


def export(data: Data, form: str, out: Path, tests: Sequence[str] | None = None, per: str | None = None) -> list[Path]:
    """
    Writes the data of these tests (None: of all).

    Args:
        data: may be redacted.
        form: one of `FORMATS`.
        out: the file, or for `csv` and `markdown` the folder; what is there is replaced.
        tests: ids.
        per: what a record (a file of Markdown) is: `session`, `passage` or `test`, as the format has it; by default
            the first that it has.

    Returns:
        The files that were written.

    Raises:
        ConfigurationError: the format has no such records, its library is missing, or `out` cannot be written.

    """
    choices = _PER.get(form, ("session",))
    if per is not None and per not in choices:
        raise ConfigurationError(f"{form} has no --per {per}: choose {' or '.join(choices)}.")
    try:
        (out if form in _FOLDERS else out.parent).mkdir(parents=True, exist_ok=True)
        return list(_WRITERS[form](data, out, tests, per or choices[0]))
    except OSError as error:
        raise ConfigurationError(f"--out {out} cannot be written: {error.strerror or error}.") from error


def _records(data: Data, tests: Sequence[str] | None, per: str) -> Iterator[dict[str, Any]]:
    return passage_records(data, tests) if per == "passage" else session_records(data, tests)


def _jsonl(data: Data, out: Path, tests: Sequence[str] | None, per: str) -> Iterator[Path]:
    with _written(out) as part, part.open("w", encoding="utf-8") as file:
        for record in _records(data, tests, per):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    yield out


def _parquet(data: Data, out: Path, tests: Sequence[str] | None, per: str) -> Iterator[Path]:
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types; heavy
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    schema = _arrow_schema(pa, per)
    with _written(out) as part, pq.ParquetWriter(part, schema) as writer:
        for rows in _batches(_flat(record) for record in _records(data, tests, per)):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    yield out


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Columns that are the same for every test: demographics as question and answer."""
    if "demographics" not in record:
        return record
    people = [{"label": label, "value": value} for label, value in record["demographics"].items()]
    return {**record, "demographics": people}


def _arrow_schema(pa: Any, per: str) -> Any:
    text, number, double, flag = pa.string(), pa.int64(), pa.float64(), pa.bool_()

    def struct(**types: Any) -> Any:
        return pa.list_(pa.struct(list(types.items())))

    told = dict.fromkeys(("session_id", "test_id", "test_title", "participant_id", "finish_time", "link"), text)
    piece = {"kind": text, "text": text, "task_number": number, "task_text": text, "start_ms": number, "at": text}
    if per == "passage":
        return pa.schema({"id": text, **piece, **told})
    answer = {"task_number": number, "task_uuid": text, "task_text": text, "task_type": text, "skipped": flag}
    answer |= {"answered": flag, "answer_kind": text, "answer_number": double, "answer_scale_max": double}
    answer |= {"answer_success": flag, "answer_text": text, "start_ms": number, "at": text, "seconds": double}
    return pa.schema(
        {
            **told,
            "start_time": text,
            "demographics": struct(label=text, value=text),
            "answers": struct(**answer),
            "chunks": struct(**piece),
        }
    )


def _csv(data: Data, out: Path, tests: Sequence[str] | None, _per: str) -> Iterator[Path]:
    for name in _SHEETS:
        columns, rows = _sheet(data, name, tests)
        path = out / f"{name}.csv"
        # with a mark of its encoding, without which Excel takes UTF-8 for something else
        with _written(path) as part, part.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([_harmless(value) for value in row] for row in rows)
        yield path


def _harmless(value: object) -> object:
    """A text that a spreadsheet would take for a formula, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _xlsx(data: Data, out: Path, tests: Sequence[str] | None, _per: str) -> Iterator[Path]:
    with needed("export", "An Excel file"):
        from openpyxl import Workbook  # type: ignore[import-untyped]  # noqa: PLC0415 - it has no types; an extra
        from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    book = Workbook(write_only=True)
    for name in _SHEETS:
        columns, rows = _sheet(data, name, tests)
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        sheet.append(columns)
        for row in rows:
            cells = []
            for value in row:
                cell = WriteOnlyCell(sheet, value=None)
                if isinstance(value, str):
                    cell.value = _CONTROL.sub(" ", value)[:CELL]
                    cell.data_type = "s"  # whatever it begins with, it is no formula
                else:
                    cell.value = value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value
                cells.append(cell)
            sheet.append(cells)
    with _written(out) as part:
        book.save(part)
    yield out


def _sheet(data: Data, name: str, tests: Sequence[str] | None) -> tuple[list[str], list[tuple[Any, ...]]]:
    wanted = None if tests is None else list(tests)
    sql = f"select * from ({_SHEETS[name]}) where ?::text[] is null or test_id in (select unnest(?::text[]))"  # noqa: S608 - ours
    found = data.database.execute(sql, [wanted, wanted])
    return [column[0] for column in found.description], found.fetchall()


def _markdown(data: Data, out: Path, tests: Sequence[str] | None, per: str) -> Iterator[Path]:
    written: dict[Path, list[str]] = {}
    for session in session_records(data, tests):
        folder = out / _file_name(session["test_title"], session["test_id"])
        path = folder.with_suffix(".md") if per == "test" else folder / f"{session['session_id']}.md"
        if per == "test" and path not in written:
            written[path] = [f"# {_one_line(session['test_title'])}\n"]
        written.setdefault(path, []).append(_page(session, "##" if per == "test" else "#"))
    for path, pages in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with _written(path) as part:
            part.write_text("\n".join(pages), encoding="utf-8")
        yield path


def _page(session: dict[str, Any], heading: str) -> str:
    person = session["participant_id"] or "unknown participant"
    lines = [f"{heading} {_one_line(session['test_title'])}: {person}", ""]
    lines += [f"- finished: {session['finish_time'] or 'unknown'}", f"- session: `{session['session_id']}`"]
    lines += [f"- [results of the test]({session['link']})"]
    lines += [f"- {_one_line(label)}: {_one_line(value)}" for label, value in session["demographics"].items()]
    said = {
        task["task_number"]: [c for c in session["chunks"] if c["task_number"] == task["task_number"]]
        for task in session["answers"]
    }
    for task in session["answers"]:
        lines += [
            "",
            f"{heading}# {task['task_number']}. {_one_line(task['task_text'] or task['task_type'] or 'Task')}",
            "",
        ]
        lines += [_told(task)]
        lines += [f"> {_one_line(chunk['text'])} ({chunk['at']})\n>" for chunk in said[task["task_number"]]]
    between = [chunk for chunk in session["chunks"] if chunk["task_number"] not in said]
    if between:
        lines += ["", f"{heading}# Said outside of tasks", ""]
        lines += [f"> {_one_line(chunk['text'])} ({chunk['at']})\n>" for chunk in between]
    return "\n".join(lines).rstrip(">\n") + "\n"


def _told(task: dict[str, Any]) -> str:
    if task["skipped"]:
        return "Skipped.\n"
    parts = []
    if task["answer_number"] is not None:
        of = f" of {task['answer_scale_max']:g}" if task["answer_scale_max"] is not None else ""
        parts.append(f"**{task['answer_number']:g}{of}**")
    if task["answer_success"] is not None:
        parts.append("completed" if task["answer_success"] else "not completed")
    if task["answer_text"]:
        parts.append(_one_line(task["answer_text"]))
    if task["seconds"] is not None:
        parts.append(f"{task['seconds']:.0f} s")
    return f"{' · '.join(parts) or 'no answer'}\n"


def _one_line(text: object) -> str:
    """A text that stays what it is within Markdown: on one line, its signs without effect."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(str(text).split()))


def _file_name(title: str, test_id: str) -> str:
    """A title as every file system takes it, and no two tests the same."""
    words = re.sub(r"[^\w-]+", "-", title.lower()).strip("-")[:60]
    return f"{words}-{test_id[:8]}" if words != test_id.lower() else test_id


def _qdpx(data: Data, out: Path, tests: Sequence[str] | None, _per: str) -> Iterator[Path]:
    with _written(out) as part:
        write_project(part, session_records(data, tests), data.loaded_at())
    yield out


_WRITERS: dict[str, Callable[[Data, Path, Sequence[str] | None, str], Iterator[Path]]] = {
    "jsonl": _jsonl,
    "parquet": _parquet,
    "csv": _csv,
    "xlsx": _xlsx,
    "markdown": _markdown,
    "qdpx": _qdpx,
}


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _batches(records: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for record in records:
        batch.append(record)
        if len(batch) == _AT_A_TIME:
            yield batch
            batch = []
    if batch:
        yield batch
