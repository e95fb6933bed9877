"""`docs/commands.md`, written from the commands themselves: python -m usertesting_source.cli.reference."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import cleandoc

import click

from .main import COMMANDS, main

_HEAD = """# Commands

`usertesting COMMAND`, `python -m usertesting_source COMMAND`. `python pipelines/load.py` is `usertesting load`, and
`python pipelines/alert.py` is `usertesting alert`. Settings come from `.dlt/config.toml`, `.dlt/secrets.toml` and the
environment; options win."""


def reference() -> str:
    """The page: of each command its line, what it says of itself, and its options."""
    return "\n\n".join([_HEAD, *(part for name, line in COMMANDS.items() for part in _command(name, line))]) + "\n"


def _command(name: str, line: str) -> Iterator[str]:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    yield f"## `usertesting {name}`"
    yield line
    yield _prose(cleandoc(command.help or ""))
    rows = [row for parameter in command.params if (row := _row(parameter))]
    if rows:
        yield "\n".join(["| option | |", "| --- | --- |", *rows])


def _row(parameter: click.Parameter) -> str | None:
    if isinstance(parameter, click.Argument):
        return f"| `{(parameter.name or '').upper()}` | |"
    assert isinstance(parameter, click.Option)
    if parameter.hidden:
        return None
    value = "" if parameter.is_flag else f" {parameter.make_metavar(click.Context(main))}"
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    written = f"{names}{value}".replace("|", "\\|")
    return f"| `{written}` | {parameter.help or ''} |"


def _prose(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.replace("\b", "").split("\n\n"))


if __name__ == "__main__":
    sys.stdout.write(reference())
