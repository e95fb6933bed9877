-- The views that ship with the data. Written in DuckDB's dialect and rendered for the destination; see views.py.
--
-- "needs" names the tables of which one has to exist before the view is made. Any other table may be missing: it
-- then counts as empty. A view may use the views above it. Every column is written with the alias of its table.
-- Views of results leave out the sessions that are gone from their test's listing (sessions.removed_at).


-- The tables that the vendor's pipeline tutorial recommends, under their names and with their columns.
-- needs: session_details__tasks
create view tasks as
select
    t.session_id,
    t.participant_id,
    t.task_uuid,
    t.task_text,
    t.task_type,
    t.start_time_ms,
    t.end_time_ms,
    t.skipped,
    t.answer_json
from session_details__tasks as t
left join sessions as s on s.session_id = t.session_id
where s.removed_at is null;


-- needs: session_details__task_groups
create view task_groups as
select
    g.session_id,
    g.participant_id,
    g.task_group_uuid,
    g.task_group_type,
    g.task_group_response
from session_details__task_groups as g
left join sessions as s on s.session_id = g.session_id
where s.removed_at is null;


-- needs: session_details__demographics
create view demographics as
select
    g.session_id,
    g.participant_id,
    g.demographic_code,
    g.label,
    g.value,
    g.type
from session_details__demographics as g
left join sessions as s on s.session_id = g.session_id
where s.removed_at is null;


-- One row per answer that holds something. The typed columns are null where the answer could not be read;
-- answer_json always holds what came.
-- needs: session_details__tasks
create view answers as
select
    d.test_id,
    n.title as test_title,
    t.session_id,
    t.participant_id,
    d.finish_time,
    t.task_number,
    t.task_uuid,
    t.task_text,
    t.task_type,
    t.answer_kind,
    t.answer_number,
    t.answer_scale_max,
    t.answer_success,
    t.answer_text,
    t.answer_json,
    (t.end_time_ms - t.start_time_ms) / 1000.0 as task_seconds
from session_details__tasks as t
inner join session_details as d on d.session_id = t.session_id
left join sessions as s on s.session_id = t.session_id
left join tests as n on n.test_id = d.test_id
where t.answered and s.removed_at is null;


-- Per test: how much of what the API lists is here, what is waited for, and what went wrong.
-- needs: tests, sessions, session_details, transcripts, load_issues
create view load_status as
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
    n.title as test_title,
    cast(coalesce(l.sessions, 0) as bigint) as listed,
    cast(coalesce(l.removed, 0) as bigint) as removed,
    cast(coalesce(c.sessions, 0) as bigint) as detailed,
    cast(coalesce(v.sessions, 0) as bigint) as transcribed,
    cast(coalesce(i.waiting, 0) as bigint) as waiting,
    cast(coalesce(i.failed, 0) + coalesce(i.given_up, 0) as bigint) as open_issues,
    coalesce(l.newest_session, c.newest_session) as newest_session
from known as k
left join tests as n on n.test_id = k.test_id
left join listed as l on l.test_id = k.test_id
left join detailed as c on c.test_id = k.test_id
left join transcribed as v on v.test_id = k.test_id
left join issues as i on i.test_id = k.test_id;


-- Per test: the numbers that a report opens with. The NPS runs from -100 to 100, rates from 0 to 1, the QXscore
-- and its components from 0 to 100 (the newest of each task group, averaged where a test has several).
-- mean_rating averages ratings as they came: compare it between tests of the same scale only.
-- needs: session_details
create view test_kpis as
with lengths as (
    select d.test_id, d.session_id, date_diff('millisecond', d.start_time, d.finish_time) / 60000.0 as minutes
    from session_details as d
    left join sessions as s on s.session_id = d.session_id
    where s.removed_at is null
),

-- a median that every warehouse can compute: the mean of the one or two in the middle; nulls sort into a group of
-- their own
placed as (
    select
        l.test_id,
        l.minutes,
        row_number() over (partition by l.test_id, l.minutes is null order by l.minutes) as place,
        count(*) over (partition by l.test_id, l.minutes is null) as places
    from lengths as l
),

completed as (
    select
        p.test_id,
        count(*) as sessions,
        avg(case when p.place * 2 between p.places and p.places + 2 then p.minutes end) as median_minutes
    from placed as p
    group by p.test_id
),

answered as (
    select
        a.test_id,
        100.0 * avg(
            case
                when a.answer_kind = 'nps' and a.answer_number >= 9 then 1.0
                when a.answer_kind = 'nps' and a.answer_number <= 6 then -1.0
                when a.answer_kind = 'nps' and a.answer_number is not null then 0.0
            end
        ) as nps,
        avg(case when a.answer_kind = 'rating_scale' then a.answer_number end) as mean_rating,
        avg(case when a.answer_success then 1.0 when not a.answer_success then 0.0 end) as success_rate
    from answers as a
    group by a.test_id
),

scores as (
    select
        q.test_id,
        q.qx_score,
        q.behavioral,
        q.attitudinal,
        q.usability,
        q.trust,
        q.appearance,
        q.loyalty,
        q.extracted_at,
        row_number() over (partition by q.test_id, q.task_group_id order by q.extracted_at desc) as age
    from qx_scores as q
),

experience as (
    select
        r.test_id,
        avg(r.qx_score) as qx_score,
        avg(r.behavioral) as behavioral,
        avg(r.attitudinal) as attitudinal,
        avg(r.usability) as usability,
        avg(r.trust) as trust,
        avg(r.appearance) as appearance,
        avg(r.loyalty) as loyalty,
        max(r.extracted_at) as qx_extracted_at
    from scores as r
    where r.age = 1
    group by r.test_id
)

select
    c.test_id,
    n.title as test_title,
    cast(c.sessions as bigint) as sessions,
    cast(a.nps as double) as nps,
    cast(a.mean_rating as double) as mean_rating,
    cast(a.success_rate as double) as success_rate,
    cast(c.median_minutes as double) as median_minutes,
    e.qx_score,
    e.behavioral,
    e.attitudinal,
    e.usability,
    e.trust,
    e.appearance,
    e.loyalty,
    e.qx_extracted_at
from completed as c
left join tests as n on n.test_id = c.test_id
left join answered as a on a.test_id = c.test_id
left join experience as e on e.test_id = c.test_id;


-- Per task of a test: how it went over all sessions. The units are those of test_kpis; median_seconds is the time
-- on the task, skipped or not reached tasks left out.
-- needs: session_details__tasks
create view task_kpis as
with placed as (
    select
        d.test_id,
        t.task_uuid,
        t.task_number,
        t.task_text,
        t.task_type,
        t.skipped,
        t.answered,
        t.answer_kind,
        t.answer_number,
        t.answer_success,
        case when not t.skipped then (t.end_time_ms - t.start_time_ms) / 1000.0 end as seconds
    from session_details__tasks as t
    inner join session_details as d on d.session_id = t.session_id
    left join sessions as s on s.session_id = t.session_id
    where s.removed_at is null
),

timed as (
    select
        p.test_id,
        p.task_uuid,
        p.task_number,
        p.task_text,
        p.task_type,
        p.skipped,
        p.answered,
        p.answer_kind,
        p.answer_number,
        p.answer_success,
        p.seconds,
        row_number() over (partition by p.test_id, p.task_uuid, p.seconds is null order by p.seconds) as place,
        count(*) over (partition by p.test_id, p.task_uuid, p.seconds is null) as places
    from placed as p
),

counted as (
    select
        w.test_id,
        w.task_uuid,
        min(w.task_number) as task_number,
        max(w.task_text) as task_text,
        max(w.task_type) as task_type,
        sum(case when w.answered then 1 else 0 end) as answers,
        sum(case when w.skipped then 1 else 0 end) as skips,
        avg(case when w.place * 2 between w.places and w.places + 2 then w.seconds end) as median_seconds,
        avg(case when w.answered and w.answer_kind = 'rating_scale' then w.answer_number end) as mean_rating,
        100.0 * avg(
            case
                when w.answered and w.answer_kind = 'nps' and w.answer_number >= 9 then 1.0
                when w.answered and w.answer_kind = 'nps' and w.answer_number <= 6 then -1.0
                when w.answered and w.answer_kind = 'nps' and w.answer_number is not null then 0.0
            end
        ) as nps,
        avg(case when w.answer_success then 1.0 when not w.answer_success then 0.0 end) as success_rate
    from timed as w
    group by w.test_id, w.task_uuid
)

select
    c.test_id,
    n.title as test_title,
    c.task_number,
    c.task_uuid,
    c.task_text,
    c.task_type,
    cast(c.answers as bigint) as answers,
    cast(c.skips as bigint) as skips,
    cast(c.median_seconds as double) as median_seconds,
    cast(c.mean_rating as double) as mean_rating,
    cast(c.nps as double) as nps,
    cast(c.success_rate as double) as success_rate
from counted as c
left join tests as n on n.test_id = c.test_id;


-- What was said during each task. Two clocks meet here: tasks are timed from the session's start, cues from the
-- recording's start. The API does not say that these are the same moment, so take the borders as approximate; a
-- cue that overlaps two tasks is in both.
-- needs: transcripts__cues
create view task_transcripts as
select
    d.test_id,
    n.title as test_title,
    t.session_id,
    t.participant_id,
    t.task_number,
    t.task_uuid,
    t.task_text,
    t.start_time_ms,
    t.end_time_ms,
    count(*) as cues,
    string_agg(c.text, ' ' order by c.start_ms nulls first) as said
from session_details__tasks as t
inner join session_details as d on d.session_id = t.session_id
inner join transcripts__cues as c
    on c.session_id = t.session_id and c.start_ms < t.end_time_ms and c.end_ms > t.start_time_ms
left join sessions as s on s.session_id = t.session_id
left join tests as n on n.test_id = d.test_id
where s.removed_at is null
group by
    d.test_id,
    n.title,
    t.session_id,
    t.participant_id,
    t.task_number,
    t.task_uuid,
    t.task_text,
    t.start_time_ms,
    t.end_time_ms;
