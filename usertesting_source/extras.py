"""What a plain installation leaves out, and how to bring it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import requires

from packaging.requirements import Requirement

from .errors import NotInstalled


@contextmanager
def needed(extra: str, what: str) -> Iterator[None]:
    """
    Around the imports of an extra.

    Args:
        extra: its name.
        what: who needs it, to begin a sentence with.

    Raises:
        NotInstalled: one of them is not there.

    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise NotInstalled(f"{what} needs the package {error.name}. To install it: {to_install(extra)}") from None


def to_install(extra: str) -> str:
    """
    The command that brings what an extra needs, into the Python that runs.

    By the packages' own names: this one may have come from a wheel or a checkout, which pip would look for elsewhere.
    """
    found = (Requirement(line) for line in requires("usertesting-source") or ())
    wanted = [one for one in found if one.marker and one.marker.evaluate({"extra": extra})]
    for one in wanted:
        one.marker = None
    return shlex.join([sys.executable, "-m", "pip", "install", *map(str, wanted)])
