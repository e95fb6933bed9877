"""What a destination's error says to its user."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests.support.lab import pipeline_in
from usertesting_source.warehouse.troubles import LENGTH, told


def test_a_file_of_a_newer_duckdb_is_named_with_the_remedies(tmp_path: Path) -> None:
    """In the words in which DuckDB 1.5 refuses a file of 2.0."""
    said = (
        "IO Error: Trying to read a database file with version number 69, but we can only read versions between 64 and"
    )
    text = told(duckdb.IOException(f"{said} 68. "), pipeline_in(tmp_path))
    assert "written by DuckDB 2" in text
    assert "storage_version 'v1.0.0'" in text


def test_a_long_text_is_cut_between_words(tmp_path: Path) -> None:
    """It is one paragraph, and names the section of the credentials."""
    text = told(ValueError("\n".join(["the server is away"] * 100)), pipeline_in(tmp_path))
    said, _, section = text.partition("… Its credentials are in section ")
    assert len(said) <= LENGTH
    assert said.split()[-1] in ("the", "server", "is", "away")
    assert "\n" not in said
    assert section == "[destination.duckdb.credentials] of .dlt/secrets.toml."
