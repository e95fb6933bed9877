"""An answer that came, but cannot be read, concerns itself alone: it is an error of the API like any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import UnreadableAnswer


@contextmanager
def readable(what: str) -> Iterator[None]:
    """
    Around the reading of an answer; `what` is "the details of session ...".

    Raises:
        UnreadableAnswer: what was read raised a ValueError.

    """
    try:
        yield
    except ValueError as error:
        message = f"The API's answer for {what} cannot be read: {error}. It is asked for again later."
        raise UnreadableAnswer(message, 200) from None
