"""What a run will cost, said before it starts: as far as the first requests can tell."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError
from .listing import Listing
from .poll import Poll
from .research_tests import Test, may_have
from .versions import versioned
from .visits import FIRST_PAGE, Visits

LOOK_AHEAD = 10
PER_SESSION = ("session_details", "transcripts", "session_videos", "clips")


@dataclass
class Plan:
    """Tests and what is due in those listed so far; `due` counts items by resource."""

    tests: int = 0
    listed: int = 0
    resting: int = 0
    due: dict[str, int] = field(default_factory=dict)
    rate_limit: int = 10
    rate_period: float = 60.0

    @property
    def requests(self) -> int:
        """How many requests the known part takes, beyond those already sent."""
        return sum(self.due.get(name, 0) for name in PER_SESSION) + self.tests - self.listed - self.resting

    @property
    def minutes(self) -> float:
        """How long they take at this quota; 0 without one."""
        return self.requests / self.rate_limit * self.rate_period / 60 if self.rate_limit else 0.0


def foresee(poll: Poll, resources: Iterable[str], state: Mapping[str, Any]) -> Plan:
    """
    Lists the first tests (one request each, which the run then saves) and counts what is due in them.

    Args:
        resources: the selected ones.
        state: dlt's state of each resource, by name; left as it is.

    """
    settings = poll.settings
    tests = [test for test in poll.tests() if not test.is_classic]
    plan = Plan(len(tests), rate_limit=settings.rate_limit, rate_period=settings.rate_period)
    if poll.wishes.session_ids:
        plan.due = {name: len(poll.wishes.session_ids) for name in resources if name in PER_SESSION}
        return plan
    visits = [Visits(poll, name, versioned(copy.deepcopy(dict(state.get(name, {}))))) for name in resources]
    for each in visits:
        each.forget(tests)
    poll.forgotten.clear()
    for test in tests[:LOOK_AHEAD]:
        awake = [
            each for each in visits if may_have(each.resource, test) is not False and not each.rests(test)
        ]
        if awake:
            _count(poll, plan, test, awake)
        else:
            plan.resting += 1
    return plan


def _count(poll: Poll, plan: Plan, test: Test, visits: list[Visits]) -> None:
    """Adds what is due in one test."""
    try:
        listing = poll.listing(test.test_id, FIRST_PAGE, lambda _: True)
    except ApiError:
        return  # told, with all else that fails, by the resource that runs into it
    plan.listed += 1
    for each in visits:
        cursor = each.cursor(test)
        cursor.look(listing, poll.now())
        due = cursor.due(poll.now(), poll.wishes.since)
        if may_have(each.resource, test) is None:
            due = cursor.probe(due, listing.total)
        count = len(due) + _unread(listing) * (cursor.border is None and "barren" not in cursor.state)
        poll.tally.due[each.resource, test.test_id] = count
        plan.due[each.resource] = plan.due.get(each.resource, 0) + count


def _unread(listing: Listing) -> int:
    """Sessions behind the first page."""
    return max(listing.total - len(listing.sessions), 0)
