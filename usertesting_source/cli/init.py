"""The command `init`: the configuration of a folder, and the files of a scheduler."""

from __future__ import annotations

from pathlib import Path

import click

from .main import CONTEXT

IGNORED = (".dlt/secrets.toml", "*.duckdb", "*.duckdb.wal")
PRIVATE, EXECUTABLE = 0o600, 0o755
PACKAGE = Path(__file__).parents[1]
TEMPLATES, DEPLOY = PACKAGE / "cli/templates", PACKAGE / "deploy"
SCHEDULERS = ("cron", "systemd", "docker", "github", "lambda", "airflow", "dagster", "prefect")


@click.command(context_settings=CONTEXT)
@click.option("--scheduler", type=click.Choice(SCHEDULERS), help="Also the files of this one.")
def main(scheduler: str | None) -> None:
    """
    Write .dlt/config.toml, .dlt/secrets.toml and .gitignore into this folder.

    What is there already is left as it is.
    """
    _put(".dlt/config.toml", TEMPLATES / "config.toml")
    _put(".dlt/secrets.toml", TEMPLATES / "example.secrets.toml", PRIVATE)
    _ignore(Path(".gitignore"))
    for file in sorted((DEPLOY / scheduler).rglob("*")) if scheduler else ():
        if file.is_file() and file.suffix != ".pyc":
            _put(str(file.relative_to(DEPLOY / str(scheduler))), file, EXECUTABLE if file.suffix == ".sh" else None)
    click.echo(
        "\nNext: put client id and secret into .dlt/secrets.toml, choose tests with `usertesting tests --pick`, try all"
        "\nwith `usertesting check`, and load with `usertesting load`."
    )


def _put(name: str, template: Path, mode: int | None = None) -> None:
    """Writes a file, unless there is one."""
    path = Path(name)
    if path.exists():
        click.echo(f"kept   {name}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=mode or 0o666)  # before there is anything in it to read
    path.write_bytes(template.read_bytes())
    click.echo(f"wrote  {name}")


def _ignore(path: Path) -> None:
    """Adds to a .gitignore what is not in it yet."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    new = [line for line in IGNORED if line not in lines]
    if new:
        path.write_text("\n".join([*lines, *new]) + "\n", encoding="utf-8")
        click.echo(f"wrote  {path}")
