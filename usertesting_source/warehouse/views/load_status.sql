-- grain: a test, with how much of what the API lists is here, what is waited for, and what went wrong
-- key: test_id
-- units:
--   test_title: the test's name; its id where no workspace was listed
--   listed: sessions of the test, as the API counts them (where `tests` is not loaded: rows that are listed)
--   removed: sessions that are gone from the listing
--   detailed: sessions whose details are here, without the removed ones
--   transcribed: sessions whose transcript is here, without the removed ones
--   waiting: open issues that are only waited for
--   open_issues: open issues that failed or were given up
--   newest_session: when the newest session finished, removed ones left out
--   last_checked_at: when a run last looked at the API and came to its end; the same for all tests of the dataset
-- caveats: last_checked_at tells a schedule that lives from one that is dead; a run without news writes it at most once an
--   hour, so after two hours of silence something is wrong. A test that fails as a whole has a row as well, without any session.
-- needs: tests, sessions, session_details, transcripts, load_issues
with listed as (
    select
        s.test_id,
        sum(case when s.removed_at is null then 1 else 0 end) as sessions,
        sum(case when s.removed_at is null then 0 else 1 end) as removed,
        max(case when s.removed_at is null then s.finish_time end) as newest_session
    from sessions as s
    group by s.test_id
),

detailed as (
    select d.test_id, count(*) as sessions, max(d.finish_time) as newest_session
    from session_details as d
    left join sessions as s on s.session_id = d.session_id
    where s.removed_at is null
    group by d.test_id
),

transcribed as (
    select v.test_id, count(*) as sessions
    from transcripts as v
    left join sessions as s on s.session_id = v.session_id
    where s.removed_at is null
    group by v.test_id
),

issues as (
    select
        i.test_id,
        sum(case when i.status = 'waiting' then 1 else 0 end) as waiting,
        sum(case when i.status = 'failed' then 1 else 0 end) as failed,
        sum(case when i.status = 'given_up' then 1 else 0 end) as given_up
    from load_issues as i
    where i.status <> 'resolved'
    group by i.test_id
),

checked as (
    select max(r.ended_at) as last_checked_at
    from load_runs as r
    where r.outcome <> 'error'
),

known as (
    select n.test_id from tests as n
    union
    select l.test_id from listed as l
    union
    select c.test_id from detailed as c
    union
    select v.test_id from transcribed as v
    union
    select i.test_id from issues as i
)

select
    k.test_id,
    coalesce(n.title, k.test_id) as test_title,
    cast(coalesce(n.session_count, l.sessions, 0) as bigint) as listed,
    cast(coalesce(l.removed, 0) as bigint) as removed,
    cast(coalesce(c.sessions, 0) as bigint) as detailed,
    cast(coalesce(v.sessions, 0) as bigint) as transcribed,
    cast(coalesce(i.waiting, 0) as bigint) as waiting,
    cast(coalesce(i.failed, 0) + coalesce(i.given_up, 0) as bigint) as open_issues,
    coalesce(l.newest_session, c.newest_session) as newest_session,
    h.last_checked_at
from known as k
cross join checked as h
left join tests as n on n.test_id = k.test_id
left join listed as l on l.test_id = k.test_id
left join detailed as c on c.test_id = k.test_id
left join transcribed as v on v.test_id = k.test_id
left join issues as i on i.test_id = k.test_id
