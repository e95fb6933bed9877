"""The command `usertesting`: its subcommands, each in a file of its own, imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import click

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

COMMANDS = {
    "demo": "Load three invented studies, to look around; needs nothing.",
    "init": "Write the configuration of a folder, and the files of a scheduler.",
    "tests": "List the tests that the credentials see, and pick from them.",
    "check": "Try credentials, tests and destination; load nothing.",
    "load": "Load completed sessions into DuckDB or any other warehouse.",
    "report": "Write a report on a test, or on all, as HTML that needs nothing else.",
    "search": "Find what was said and written, in whose words and where.",
    "themes": "Count who speaks of the themes of your codebook, and where.",
    "export": "Write sessions as JSON, Parquet, CSV, Excel, Markdown or a REFI-QDA project.",
    "forget": "Take a participant out of everything that is stored here.",
    "mcp": "Let an assistant read the data (Model Context Protocol).",
    "alert": "Tell Slack or Jira what went wrong in new sessions, each thing once.",
}
"""By name, the one line that `usertesting --help` says of it; the command is `main` in the module of that name."""


class Subcommands(click.Group):
    """Knows its commands by name, so that help on one of them does not wait for the imports of all."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """In the order in which a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f".{cmd_name}", __package__).main
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Their help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Subcommands, context_settings=CONTEXT)
@click.version_option(package_name="usertesting-source", prog_name="usertesting")
def main() -> None:
    """Completed UserTesting sessions in your warehouse: load them, look at them, hear of problems."""


def run(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; for the console script and `python -m usertesting_source`."""
    main(arguments, prog_name="usertesting")
