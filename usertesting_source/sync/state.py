"""
What is kept between runs: the only place that knows its keys.

dlt keeps one JSON dict per resource and commits it with the resource's rows. In it: the version, what is to be told in
`load_issues`, and a dict per test, of which `TestState` is the view. Everything here is bounded: by the overlap, by
what failed and is asked for again, or by the test's task groups; nothing grows with every session ever seen.

Times are ms since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Generic, Literal, TypedDict, TypeVar, cast, overload

from ..errors import StateError

STATE_VERSION = 2
T = TypeVar("T")

Why = Literal["waiting", "failed", "watching", "late"]
"""
Why something is asked for (again): it is not there yet; it went wrong; it is loaded and may grow; or it turned up where
all was settled.
"""


class Retry(TypedDict):
    """
    Something to ask for again: when it finished, tries so far, next try, first failure, deadline; and how it was
    listed, since it may not be listed any more when it comes.
    """

    time: int
    tries: int
    at: int
    since: int
    until: int
    why: str
    summary: dict[str, Any]


class _Value(Generic[T]):
    """A field that is there or not: None takes it out."""

    def __init__(self, key: str) -> None:
        self._key = key

    @overload
    def __get__(self, kept: None, owner: type) -> _Value[T]: ...
    @overload
    def __get__(self, kept: TestState, owner: type) -> T | None: ...
    def __get__(self, kept: TestState | None, owner: type) -> _Value[T] | T | None:
        return self if kept is None else cast("T | None", kept.data.get(self._key))

    def __set__(self, kept: TestState, value: T | None) -> None:
        if value is None:
            kept.data.pop(self._key, None)
        else:
            kept.data[self._key] = value


class _Container(Generic[T]):
    """A dict or list that is always there, to be changed in place."""

    def __init__(self, key: str, empty: Callable[[], T]) -> None:
        self._key = key
        self._empty = empty

    @overload
    def __get__(self, kept: None, owner: type) -> _Container[T]: ...
    @overload
    def __get__(self, kept: TestState, owner: type) -> T: ...
    def __get__(self, kept: TestState | None, owner: type) -> _Container[T] | T:
        return self if kept is None else cast("T", kept.data.setdefault(self._key, self._empty()))

    def __set__(self, kept: TestState, value: T) -> None:
        kept.data[self._key] = value


class TestState:
    """
    What one resource keeps of one test: a view on its dict, changed in place.

    Resources use what they need of it; a field that is not used is not stored.
    """

    __test__ = False  # not for pytest

    spans = _Container[list[list[int]]]("spans", list)
    """
    [[from, to], ...]: all that finished in these ranges is settled, and its ids are dropped. The one that begins with
    `start_date` ends at the cursor less the overlap; others are left from other start dates, and merge when they meet.
    """

    settled = _Container[dict[str, int]]("settled", dict)
    """{session id: finished at}: done, and not inside a span. Bound: the sessions inside the overlap."""

    again = _Container[dict[str, Retry]]("again", dict)
    """
    {session id: Retry}: to be asked for again. Bound: each is given up at its deadline, 14 days at most; of those that
    are watched for more, the sessions that finished within 14 days before they were loaded.
    """

    settled_total = _Value[int]("settled_total")
    """The API's count while everything listed is settled: the same count says that nothing has changed."""

    deep_at = _Value[int]("deep_at")
    """When the listing was last read as far back as the overlap reaches."""

    loads_from = _Value[int]("loads_from")
    """When everything was made due again: what the destination holds from earlier loads does not count."""

    quiet_at = _Value[int]("quiet_at")
    """When a test without news for a long time was last listed."""

    listing_retry = _Value[Retry]("listing_retry")
    """The test could not be listed."""

    listing_problem = _Value[str]("listing_problem")
    """What was last told about a listing whose pages or counts do not fit."""

    has_some = _Value[bool]("has_some")
    """One was found in a test of unknown kind: the test has what the resource loads."""

    probes_missed = _Value[int]("probes_missed")
    """How many probes of a test of unknown kind were given up; `PROBES` at most."""

    given_up_since = _Container[dict[str, int]]("given_up_since", dict)
    """{session id: first asked at} of those probes, for their issues. Bound: `PROBES`."""

    barren_total = _Value[int]("barren_total")
    """How many sessions the test had when it was taken to have none of this."""

    test_retry = _Value[Retry]("test_retry")
    """A resource that asks once per test could not get its answer, or not all of it."""

    unanswered_since = _Value[int]("unanswered_since")
    """When an answer that was given up had first been asked for: the next one closes its issue."""

    answered_for = _Value[list[Any]]("answered_for")
    """[count, newest finish] of the listing for which such a resource got its last answer."""

    answered_at = _Value[int]("answered_at")
    """When that was, for a resource whose answers change without news of the sessions."""

    score_marks = _Container[dict[str, list[Any]]]("score_marks", dict)
    """{task group: [mark of its last row of `qx_scores`, when that came]}. Bound: the test's task groups."""

    listed_rows = _Container[dict[str, list[Any]]]("listed_rows", dict)
    """{session id: compact row of `sessions`}. Bound: the sessions inside the overlap."""

    gone = _Container[dict[str, int]]("gone", dict)
    """{session id: when it was found missing}, of those in `listed_rows`."""

    empty_since = _Value[int]("empty_since")
    """Since when the test lists no session at all."""

    test_mark = _Value[str]("test_mark")
    """The mark of the test's last row of `tests`."""

    study = _Value[list[Any]]("study")
    """[workspace id, fields]: how the test's workspace described it, when it last did."""

    study_at = _Value[int]("study_at")
    """When the workspaces were last asked about a test that is named by its id alone."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def forget(self, now: int, newest_load: int = 0) -> None:
        """
        Makes everything due again; loads up to `newest_load` (by a clock that may have been ahead) do not count.

        What outlives it: open issues, which the load resolves, due now; the scores that were told already, the sessions
        that may be gone, and what the workspace said of the test.
        """
        kept = {key: value for key, value in self.data.items() if key in _OUTLIVES_FULL}
        self.data.clear()
        self.data.update(kept)
        self.loads_from = max(now, newest_load + 1)
        for retry in (*self.again.values(), self.listing_retry, self.test_retry):
            if retry:
                retry["at"] = now

    @property
    def was_loaded(self) -> bool:
        """Whether the resource has loaded something of the test."""
        return bool(self.spans) or self.loads_from is not None

    @property
    def kept_ids(self) -> set[str]:
        """The sessions that are kept since the destination was not seen to show them."""
        return {*self.settled, *self.gone}

    def take_kind_as_known(self) -> None:
        """Drops what was guessed about a test before its product type was known."""
        self.barren_total = self.probes_missed = None
        self.given_up_since.clear()


_OUTLIVES_FULL: Collection[str] = (
    "again",
    "listing_retry",
    "test_retry",
    "unanswered_since",
    "listing_problem",
    "score_marks",
    "listed_rows",
    "gone",
    "study",
    "study_at",
)

_NAMES_OF_V1 = {
    "done": "spans",
    "total": "settled_total",
    "deep": "deep_at",
    "quiet": "quiet_at",
    "failing": "listing_retry",
    "said": "listing_problem",
    "found": "has_some",
    "misses": "probes_missed",
    "missed": "given_up_since",
    "barren": "barren_total",
    "asking": "test_retry",
    "seen": "answered_for",
    "marks": "score_marks",
    "rows": "listed_rows",
    "row": "test_mark",
}


class ResourceState:
    """
    What dlt keeps of one resource: a view on its dict, changed in place.

    Args:
        data: as dlt has it; of version 0.1 of this package too, whose names are changed then.

    Attributes:
        to_tell: rows of `load_issues` that wait to go out with the next package.

    Raises:
        StateError: a newer version of this package wrote it.

    """

    def __init__(self, data: dict[str, Any]) -> None:
        version = data.setdefault("version", STATE_VERSION)
        if version == 1:
            _rename(data)
        elif version != STATE_VERSION:
            raise StateError(
                f"The pipeline's state is of version {version}, this package reads versions 1 to {STATE_VERSION}."
                " Install the usertesting-source that wrote it, or use another pipeline name and dataset to load"
                " everything anew."
            )
        self._tests: dict[str, dict[str, Any]] = data.setdefault("tests", {})
        self.to_tell: list[dict[str, Any]] = data.setdefault("tell", [])

    def of(self, test_id: str) -> TestState:
        """What is kept of one test."""
        return TestState(self._tests.setdefault(test_id, {}))

    def tests(self) -> dict[str, TestState]:
        """All of them, by id."""
        return {test_id: TestState(kept) for test_id, kept in self._tests.items()}


def _rename(data: dict[str, Any]) -> None:
    for test_id, kept in data.get("tests", {}).items():
        data["tests"][test_id] = {_NAMES_OF_V1.get(key, key): value for key, value in kept.items()}
    data["version"] = STATE_VERSION
