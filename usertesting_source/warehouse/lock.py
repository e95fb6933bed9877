"""One process at a time: a lock file that the operating system frees when its holder ends, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import AnotherRunIsActive


@contextmanager
def alone(path: Path, taken: str) -> Iterator[None]:
    """
    Holds the lock file `path`.

    Raises:
        AnotherRunIsActive: another process holds it; `taken` is what it says.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise AnotherRunIsActive(taken) from None
    try:
        yield
    finally:
        lock.release()
