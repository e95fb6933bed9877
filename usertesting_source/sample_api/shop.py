"""Invented studies of an invented online shop: a survey, an interaction test, a think-out-loud test."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta, timezone
from random import Random

from .plans import CHECKOUT, PRODUCT_PAGE, RETURN_POLICY
from .studies import DESIGN, INTERACTION, RESEARCH, SURVEY, THINK_OUT_LOUD, Session, Study, TaskGroup, uid

DAYS = 20
TROUBLED = 0.15
_MINUTES = {SURVEY: (2, 6), INTERACTION: (4, 9), THINK_OUT_LOUD: (5, 9)}
_SHARES = {SURVEY: 0.4, INTERACTION: 0.3, THINK_OUT_LOUD: 0.3}


def shop_studies(seed: int = 7, sessions: int = 60, now: datetime | None = None) -> list[Study]:
    """
    Three tests with together `sessions` sessions of the last 20 days, and a classic test without any.

    Args:
        sessions: shared out 40 : 30 : 30.
        seed: other seeds tell other stories; the test ids stay the same.
        now: all sessions finished before it; the start of today when not given, so that a second run
            on the same day finds the same data.

    """
    now = now or datetime.combine(datetime.now(timezone.utc).date(), time(), timezone.utc)
    ordered = now - timedelta(days=DAYS + 2)
    studies = [
        _study("Checkout survey", SURVEY, RESEARCH, ordered, seed),
        _study("Find the return policy", INTERACTION, DESIGN, ordered, seed),
        _study("First impressions of the product page", THINK_OUT_LOUD, RESEARCH, ordered, seed),
    ]
    for study, count in zip(studies, _counts(sessions), strict=True):
        study.sessions = _sessions(study, count, now)
    classic = Study(uid("shop", "classic"), "Old home page, mobile", "WEB", "INSIGHT_CORE", RESEARCH, ordered)
    return [*studies, classic]


def _study(title: str, kind: str, workspace: str, ordered: datetime, seed: int) -> Study:
    tasks = {SURVEY: CHECKOUT, INTERACTION: RETURN_POLICY, THINK_OUT_LOUD: PRODUCT_PAGE}[kind]
    groups = {
        INTERACTION: (TaskGroup(uid("shop", "qx"), "QX_SCORE", "Return policy"),),
        THINK_OUT_LOUD: (TaskGroup(uid("shop", "comparison"), "BALANCED_COMPARISON", "Page A and page B"),),
    }
    return Study(uid("shop", kind), title, "STUDYV2", kind, workspace, ordered, tasks, groups.get(kind, ()), seed=seed)


def _counts(sessions: int) -> list[int]:
    """How many sessions each test gets; what rounding leaves goes to the survey."""
    counts = [int(sessions * share) for share in _SHARES.values()]
    counts[0] += sessions - sum(counts)
    return counts


def _sessions(study: Study, count: int, now: datetime) -> list[Session]:
    rng = Random(f"{study.seed}/{study.test_id}/sessions")
    troubled = set(rng.sample(range(count), round(TROUBLED * count)))
    finishes = [now - timedelta(days=DAYS) * rng.random() for _ in range(count)]
    return [_session(study, number, finish, number in troubled, rng) for number, finish in enumerate(sorted(finishes))]


def _session(study: Study, number: int, finished: datetime, troubled: bool, rng: Random) -> Session:
    shortest, longest = _MINUTES[study.kind]
    minutes = rng.uniform(shortest, longest) * (1.7 if troubled else 1)
    return Session(
        uid(study.test_id, study.seed, number),
        study.test_id,
        _to_ms(finished - timedelta(minutes=minutes)),
        _to_ms(finished),
        audience_id=_audience(study, rng),
        troubled=troubled,
    )


def _audience(study: Study, rng: Random) -> str | None:
    audiences: Sequence[str | None] = (uid(study.test_id, "customers"), uid(study.test_id, "newcomers"), None)
    return rng.choices(audiences, (6, 3, 1))[0]


def _to_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
