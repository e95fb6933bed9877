"""What a user picked from a list: the numbers, and where the tests go in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import tomlkit
from tomlkit.items import Array

SECTION = ("sources", "usertesting")


def chosen(text: str, count: int) -> list[int]:
    """
    The numbers that `1,3-5` or `all` means, from 1 to `count`, each once.

    Raises:
        click.BadParameter: it is something else.

    """
    if text.strip().lower() == "all":
        return list(range(1, count + 1))
    numbers: list[int] = []
    for part in filter(None, text.replace(",", " ").split()):
        first, _, last = part.partition("-")
        if not (_is_number(first) and _is_number(last or first)):
            raise click.BadParameter(f"{part!r} is no number: write 1,3-5, or all")
        numbers += range(int(first), int(last or first) + 1)
    wrong = [number for number in numbers if not 1 <= number <= count]
    if wrong or not numbers:
        raise click.BadParameter(f"choose from 1 to {count}")
    return list(dict.fromkeys(numbers))


def put_into(path: Path, tests: Mapping[str, str]) -> int:
    """
    Adds tests to `test_ids` in a TOML file, each with its title beside it; all else in the file stays as it is.

    Args:
        path: made if it is not there.
        tests: titles by id.

    Returns:
        How many were not there yet.

    """
    document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
    table: Any = document
    for name in SECTION:
        if name not in table:
            table[name] = tomlkit.table(is_super_table=name != SECTION[-1])
        table = table[name]
    before = [str(test_id) for test_id in table.get("test_ids", [])]
    if not isinstance(table.get("test_ids"), Array):
        table["test_ids"] = tomlkit.array()
    ids = table["test_ids"]
    news = {test_id: title for test_id, title in tests.items() if test_id.lower() not in map(str.lower, before)}
    for test_id, title in news.items():
        ids.add_line(test_id, comment=" ".join(title.split()))
    if news:
        ids.multiline(True)
        ids.add_line(indent="")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tomlkit.dumps(document), encoding="utf-8")
    return len(news)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
