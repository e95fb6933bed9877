"""What a run will cost, said before it starts: as far as the first requests can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ApiError
from ..outcome import Plan
from ..sync.listing import Listing
from ..sync.outage import LISTINGS_IN_A_ROW
from ..sync.state import ResourceState
from ..sync.studies import PER_SESSION, PER_TEST, Test, may_have
from .poll import Poll
from .visits import FIRST_PAGE, Visits

LOOK_AHEAD = 10


def foresee(poll: Poll, resources: Iterable[str], state: Mapping[str, Any]) -> Plan:
    """
    Lists the first tests (one request each, which the run then saves) and counts what is due in them.

    Args:
        resources: the selected ones.
        state: of each resource, by name; a copy of one's own, on which the first steps of the run are tried.

    """
    settings = poll.settings
    poll.recall(ResourceState(state.get("tests", {})))
    tests = [test for test in poll.tests() if not test.is_classic]
    classic = len(poll.tests()) - len(tests)
    plan = Plan(len(tests), classic, rate_limit=settings.rate_limit, rate_period=settings.rate_period)
    if poll.wishes.session_ids:
        plan.due = {name: len(poll.wishes.session_ids) for name in resources if name in PER_SESSION}
        return plan
    visits = [Visits(poll, name, ResourceState(state.get(name, {}))) for name in resources]
    for each in visits:
        each.forget(tests)
        tests = each.in_order(tests)
    poll.tally.forgotten.clear()
    unlisted = 0
    for test in tests[:LOOK_AHEAD]:
        awake = [each for each in visits if may_have(each.resource, test) is not False and not each.rests(test)]
        if not awake:
            plan.resting += 1
        elif _count(poll, plan, test, awake):
            unlisted = 0
        elif (unlisted := unlisted + 1) == LISTINGS_IN_A_ROW:
            break
    return plan


def _count(poll: Poll, plan: Plan, test: Test, visits: list[Visits]) -> bool:
    """Adds what is due in one test; False when it cannot be listed."""
    try:
        listing = poll.listings.read(test.test_id, FIRST_PAGE, lambda _: True)
    except ApiError:
        return False  # told, with all else that fails, by the resource that runs into it
    plan.listed += 1
    for each in visits:
        cursor = each.cursor(test)
        cursor.look(listing, poll.now())
        if each.resource in PER_TEST:
            is_asked = cursor.state.answered_for is not None or cursor.state.barren_total is not None
            count = int(bool(listing.sessions) and not is_asked)
        elif cursor.state.barren_total is not None:
            count = len(cursor.state.again)
        else:
            due = cursor.due(poll.now(), poll.wishes.since)
            count = len(due) + _unread(listing) * (cursor.border is None)
        if may_have(each.resource, test) is None and count:
            plan.is_most = True
        poll.tally.due[each.resource, test.test_id] = count
        plan.due[each.resource] = plan.due.get(each.resource, 0) + count
    return True


def _unread(listing: Listing) -> int:
    """Sessions behind the first page."""
    return max(listing.total - len(listing.sessions), 0)
