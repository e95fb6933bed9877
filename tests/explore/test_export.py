"""`usertesting export`: files that other tools open, with all there is in them."""

from __future__ import annotations

import csv
import json
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import duckdb
import openpyxl  # type: ignore[import-untyped]  # it has no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # as above
import pytest
from click.testing import CliRunner, Result
from pyrefiqda import RefiProject  # type: ignore[import-untyped]  # as above

from usertesting_source.cli.main import main
from usertesting_source.explore.qdpx import NAMESPACE

PRODUCT_PAGE = "First impressions of the product page"


def run(*options: str) -> Result:
    """The command on the demo's data."""
    return CliRunner().invoke(main, ["export", "--demo", *options])


def lines(*options: str) -> list[dict[str, Any]]:
    """The records of JSON Lines."""
    result = run("--format", "jsonl", "--out", "out.jsonl", *options)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]


def counts(demo: Path, sql: str) -> int:
    """A number of the demo's data."""
    with duckdb.connect(str(demo / "usertesting_demo_snapshot.duckdb"), read_only=True) as database:
        database.execute("use usertesting")
        (found,) = database.execute(sql).fetchone() or (0,)
    return int(found)


def test_json_lines_hold_every_session_with_its_words(demo: Path) -> None:
    """A line a session; answers and everything that was said in it."""
    records = lines()
    assert len(records) == counts(demo, "select count(*) from session_details") == 60
    assert sum(len(one["answers"]) for one in records) == counts(demo, "select count(*) from session_details__tasks")
    said = sum(len(chunk["text"].split()) for one in records for chunk in one["chunks"])
    assert said == counts(demo, "select sum(len(string_split_regex(trim(text), '\\s+'))) from transcripts__cues")
    assert all(one["demographics"] for one in records)
    assert {one["test_title"] for one in lines("--test", "product")} == {PRODUCT_PAGE}
    shown = run("--format", "jsonl", "--out", "out.jsonl").stdout
    assert shown.startswith("Wrote out.jsonl (")


def test_passages_are_small_and_know_where_they_are_from(demo: Path) -> None:
    """For a vector store: one text a record, with an id of its own; Parquet holds the same."""
    records = lines("--per", "passage")
    assert len({one["id"] for one in records}) == len(records)
    assert all(0 < len(one["text"]) < 1000 for one in records)
    assert {one["kind"] for one in records} == {"said", "written"}
    assert run("--format", "parquet", "--per", "passage", "--out", "out.parquet").exit_code == 0
    assert pq.read_table("out.parquet").to_pylist() == [{**one} for one in records]


def test_parquet_holds_sessions(demo: Path) -> None:
    """Nested, as DuckDB reads it."""
    assert run("--format", "parquet", "--out", "out.parquet").exit_code == 0
    sql = "select count(*), sum(len(answers)), sum(len(demographics)) from 'out.parquet'"
    expected = (60, counts(demo, "select count(*) from session_details__tasks"), 300)
    assert duckdb.sql(sql).fetchone() == expected


def test_spreadsheets(demo: Path) -> None:
    """The same sheets in CSV and Excel: sessions, answers, demographics, KPIs."""
    assert run("--format", "csv", "--out", "sheets").exit_code == 0
    assert run("--format", "xlsx", "--out", "out.xlsx").exit_code == 0
    book = openpyxl.load_workbook("out.xlsx", read_only=True)
    assert book.sheetnames == ["sessions", "answers", "demographics", "test_kpis", "task_kpis"]
    for name in book.sheetnames:
        with Path("sheets", f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        cells = [list(row) for row in book[name].values]
        assert [str(cell) for cell in cells[0]] == rows[0]
        assert len(cells) == len(rows) > 1
    assert isinstance(cells[1][rows[0].index("task_number")], int)
    finished = next(iter(book["sessions"].iter_rows(min_row=2, values_only=True)))[5]
    assert isinstance(finished, datetime)
    book.close()


def test_no_answer_becomes_a_formula(demo: Path) -> None:
    """What a participant typed stays text in a spreadsheet; signs that Excel cannot hold are left out."""
    for file in demo.glob("*.duckdb"):
        with duckdb.connect(str(file)) as database:
            words = "=HYPERLINK('http://x')\x01 \U0001f600"
            database.execute(
                "update usertesting.session_details__tasks set answer_text = ? where task_type = 'WRITTEN'", [words]
            )
    assert run("--format", "csv", "--out", "sheets").exit_code == 0
    assert "'=HYPERLINK" in Path("sheets/answers.csv").read_text(encoding="utf-8-sig")
    assert run("--format", "xlsx", "--out", "out.xlsx").exit_code == 0
    book = openpyxl.load_workbook("out.xlsx")
    cells = [cell for row in book["answers"].iter_rows() for cell in row if str(cell.value).startswith("=")]
    assert cells
    assert {cell.data_type for cell in cells} == {"s"}
    for form in ("markdown", "qdpx"):
        assert run("--format", form, "--out", f"out.{form}").exit_code == 0
    assert RefiProject.load("out.qdpx").sources is not None


def test_markdown_per_session_and_per_test(demo: Path) -> None:
    """Headings, answers, and what was said as quotes."""
    assert run("--format", "markdown", "--out", "pages").exit_code == 0
    assert len(list(Path("pages").rglob("*.md"))) == 60
    assert run("--format", "markdown", "--out", "tests", "--per", "test").exit_code == 0
    pages = sorted(Path("tests").glob("*.md"))
    assert len(pages) == 3
    page = next(page for page in pages if "product" in page.name).read_text(encoding="utf-8")
    assert page.count(f"## {PRODUCT_PAGE}: ") == 18
    assert "> " in page
    assert "- Gender: " in page or "gender" in page.lower()


def test_a_project_for_qualitative_analysis(demo: Path, tmp_path: Path) -> None:
    """Read by a reader of the standard: a document and case a session, a code a task, positions that fit."""
    assert run("--format", "qdpx", "--out", "out.qdpx").exit_code == 0
    project = RefiProject.load("out.qdpx", extract_dir=str(tmp_path / "unpacked"))
    assert project.sources is not None
    assert project.cases is not None
    assert project.code_book is not None
    assert len(project.sources.text_source) == len(project.cases.case) == 60
    assert len(project.code_book.codes.code) == 3
    with zipfile.ZipFile("out.qdpx") as packed:
        root = ET.fromstring(packed.read("project.qde"))  # noqa: S314 - our own
        names = {code.get("guid"): code.get("name") for code in root.iter(f"{{{NAMESPACE}}}Code")}
        guids = [element.get("guid") for element in root.iter() if element.get("guid")]
        assert len(set(guids)) == len(guids)
        for source in root.iter(f"{{{NAMESPACE}}}TextSource"):
            path = str(source.get("plainTextPath")).replace("internal://", "sources/")
            text = packed.read(path).decode()
            for selection in source.iter(f"{{{NAMESPACE}}}PlainTextSelection"):
                start, end = int(selection.get("startPosition", "")), int(selection.get("endPosition", ""))
                (reference,) = selection.iter(f"{{{NAMESPACE}}}CodeRef")
                assert text[start:end].startswith(str(names[reference.get("targetGUID")]))
    first = Path("out.qdpx").read_bytes()
    assert run("--format", "qdpx", "--out", "again.qdpx").exit_code == 0
    with zipfile.ZipFile("again.qdpx") as again, zipfile.ZipFile("out.qdpx") as before:
        assert again.read("project.qde") == before.read("project.qde")
    assert first


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv", "xlsx", "markdown", "qdpx"])
def test_redacted_files_name_nobody(demo: Path, form: str) -> None:
    """In every format."""
    with duckdb.connect(str(demo / "usertesting_demo_snapshot.duckdb"), read_only=True) as database:
        people = {
            row[0] for row in database.execute("select participant_id from usertesting.session_details").fetchall()
        }
    assert run("--format", form, "--out", "plain").exit_code == 0
    assert run("--format", form, "--out", "redacted", "--redact").exit_code == 0
    assert any(person in _content(Path("plain")) for person in people)
    assert not any(person in _content(Path("redacted")) for person in people)


def _content(path: Path) -> str:
    """All that is in a file, packed ones unpacked, or in a folder."""
    if path.is_dir():
        return "".join(_content(inner) for inner in sorted(path.rglob("*")) if inner.is_file())
    if path.read_bytes()[:4] == b"PAR1":
        return str(pq.read_table(path).to_pylist())
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            return "".join(packed.read(name).decode() for name in packed.namelist())
    return path.read_text(encoding="utf-8")


def test_what_cannot_be_written_is_said(demo: Path) -> None:
    """A format without such records, a folder in the way: one paragraph, exit code 1, nothing half-written."""
    result = run("--format", "qdpx", "--per", "passage")
    assert result.exit_code == 1
    assert "qdpx has no --per passage" in result.stderr
    Path("folder").mkdir()
    result = run("--format", "jsonl", "--out", "folder")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert not list(Path().glob(".*.part"))
