-- grain: a task of a test, with how it went over all sessions
-- key: test_id, task_uuid
-- units:
--   task_number: position in the API's list of tasks, from 1; the lowest where sessions differ
--   task_text: the prompt; one of them where sessions differ
--   task_type: RATING_SCALE, NPS, MULTIPLE_CHOICE, ...; an open set
--   answers: answers that hold something
--   skips: sessions in which the task was skipped
--   median_seconds: seconds from the task's start to its end, the median; skipped or not reached tasks left out
--   mean_rating: mean of the ratings as they came, on the task's scale
--   nps: -100 to 100, the percentage of answers of 9 and 10 less that of answers up to 6
--   success_rate: 0 to 1, the share of sessions that completed a navigation task
-- caveats: Sessions that are gone from their test's listing are left out.
-- needs: session_details__tasks
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
left join tests as n on n.test_id = c.test_id
