"""The error tree is what its page says."""

from __future__ import annotations

import pickle
import re

import pytest

import usertesting_source
from usertesting_source import errors
from usertesting_source.errors import ApiError, CredentialsError, NotFound, UserTestingError

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]


def drawn() -> dict[str, str]:
    """The tree in the module's docstring: each name with the name that it hangs from."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for branch, name in re.findall(r"^ {4}((?:[│├└─ ]{4})*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = len(branch) // 4
        path = [*path[:depth], name]
        parents[name] = path[depth - 1] if depth else "Exception"
    return parents


def test_the_tree_is_drawn_as_the_classes_are() -> None:
    """Each class hangs from its base."""
    assert drawn() == {kind.__name__: kind.__base__.__name__ for kind in CLASSES}  # type: ignore[union-attr] # a base


def test_every_error_is_exported() -> None:
    """From its module and from the package, in alphabetical order, and nothing else is."""
    assert errors.__all__ == sorted(kind.__name__ for kind in CLASSES)
    assert set(usertesting_source.__all__) == {
        *errors.__all__,
        "Summary",
        "Watcher",
        "__version__",
        "create_views",
        "drop_views",
        "load",
        "usertesting_source",
    }
    assert all(getattr(usertesting_source, kind.__name__) is kind for kind in CLASSES)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_says_when_it_is_raised_and_survives_a_process_border(
    kind: type[UserTestingError],
) -> None:
    """Text and class are the same after pickling; all are caught as UserTestingError."""
    assert issubclass(kind, UserTestingError)
    assert "Raised" in (kind.__doc__ or "") or kind is UserTestingError
    copy = pickle.loads(pickle.dumps(kind("what went wrong")))  # noqa: S301 - made here
    assert (type(copy), str(copy)) == (kind, "what went wrong")


def test_errors_of_the_api_carry_its_status() -> None:
    """None when there was no answer."""
    assert NotFound("gone", 404).status == 404
    assert ApiError("broken").status is None
    assert CredentialsError("refused", 401).status == 401
