-- grain: a test of which the details of a session are here, with the numbers that a report opens with
-- key: test_id
-- units:
--   sessions: sessions whose details are here
--   nps: -100 to 100, the percentage of answers of 9 and 10 less that of answers up to 6
--   mean_rating: mean of the ratings as they came, on the scale of each
--   success_rate: 0 to 1, the share of navigation tasks that were completed
--   median_minutes: minutes from a session's start to its finish, the median
--   qx_score: 0 to 100, the newest QXscore of each task group, averaged where the test has several
--   behavioral, attitudinal, usability, trust, appearance, loyalty: 0 to 100, a component of the QXscore
--   qx_extracted_at: when the newest scores were fetched
-- caveats: Compare mean_rating between tests of the same scale only. Sessions that are gone from the test's listing are
--   left out, but for the QXscore, which the API counts.
-- needs: session_details
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
left join experience as e on e.test_id = c.test_id
