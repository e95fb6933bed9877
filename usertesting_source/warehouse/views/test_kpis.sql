-- grain: a test of which the details of a session are here, with the numbers that a report opens with
-- key: test_id
-- units:
--   test_title: the test's name; its id where no workspace was listed
--   sessions: sessions whose details are here
--   shown: tasks of all these sessions, as the API lists them
--   reached, skipped, failed, completed, answered: of these tasks, as in task_kpis
--   promoters, passives, detractors: NPS answers of 9 and 10, of 7 and 8, of 0 to 6
--   nps_n: NPS answers
--   nps: -100 to 100, the percentage of promoters less that of detractors
--   nps_low, nps_high: -100 to 100, bounds of the NPS of everybody like these participants, with 95 % confidence
--   mean_rating: mean of all ratings, when all are on one scale; null where scales differ, for which there is rating_share
--   scale_max: the highest rating possible; null where it is not said, or differs
--   rating_share: 0 to 1, mean of each rating divided by the highest possible
--   rating_n: ratings
--   successes: navigation tasks whose goal was reached
--   success_n: navigation tasks with a verdict: goal reached or missed
--   success_rate: 0 to 1, successes of success_n; skipped and unreached tasks are left out
--   success_low, success_high: 0 to 1, bounds of the success rate, with 95 % confidence
--   median_minutes: minutes from a session's start to its finish, the median
--   minutes_n: sessions behind median_minutes
--   qx_score: 0 to 100, the newest QXscore of each task group, averaged where the test has several
--   behavioral, attitudinal, usability, trust, appearance, loyalty: 0 to 100, a component of the QXscore
--   qx_n: completed sessions behind the newest QXscore, as the API counts them
--   qx_extracted_at: when the newest scores were fetched
-- caveats: Bounds as in task_kpis. They take each answer for one of its own; where a participant has several navigation
--   tasks they are a little too narrow, and task_kpis is the better place to look. Sessions that are gone from the
--   test's listing are left out, but for the QXscore, which the API counts.
-- needs: session_details
with lengths as (
    select
        d.test_id,
        d.session_id,
        cast(date_diff('millisecond', d.start_time, d.finish_time) as double) / 60000 as minutes
    from session_details as d
    left join sessions as s on s.session_id = d.session_id
    where s.removed_at is null
),

-- a median that every warehouse can compute: the mean of the one or two in the middle; nulls are a group of their own
placed as (
    select
        l.test_id,
        l.minutes,
        row_number() over (
            partition by l.test_id, case when l.minutes is null then 1 else 0 end order by l.minutes
        ) as place,
        count(*) over (partition by l.test_id, case when l.minutes is null then 1 else 0 end) as places
    from lengths as l
),

lasted as (
    select
        p.test_id,
        count(*) as sessions,
        avg(case when p.place * 2 between p.places and p.places + 2 then p.minutes end) as median_minutes,
        count(p.minutes) as minutes_n
    from placed as p
    group by p.test_id
),

measured as (
    select
        t.test_id,
        t.outcome,
        t.answered,
        case when t.answered and t.answer_kind = 'rating_scale' then t.answer_number end as rating,
        case when t.answered and t.answer_kind = 'rating_scale' then t.answer_scale_max end as scale_max,
        case when t.answered and t.answer_kind = 'nps' then t.answer_number end as score,
        case when t.answered and t.answer_success then 1 when t.answered and not t.answer_success then 0 end as success
    from tasks as t
),

counted as (
    select
        m.test_id,
        count(*) as shown,
        sum(case when m.outcome = 'not_reached' then 0 else 1 end) as reached,
        sum(case when m.outcome = 'skipped' then 1 else 0 end) as skipped,
        sum(case when m.outcome = 'failed' then 1 else 0 end) as failed,
        sum(case when m.outcome = 'completed' then 1 else 0 end) as completed,
        sum(case when m.answered then 1 else 0 end) as answered,
        avg(m.rating) as mean_rating,
        min(m.scale_max) as scale_from,
        max(m.scale_max) as scale_to,
        avg(m.rating / nullif(m.scale_max, 0)) as rating_share,
        count(m.rating) as rating_n,
        cast(sum(case when m.score >= 9 then 1 else 0 end) as double) as promoters,
        cast(sum(case when m.score > 6 and m.score < 9 then 1 else 0 end) as double) as passives,
        cast(sum(case when m.score <= 6 then 1 else 0 end) as double) as detractors,
        cast(count(m.score) as double) as nps_n,
        cast(coalesce(sum(m.success), 0) as double) as successes,
        cast(count(m.success) as double) as success_n
    from measured as m
    group by m.test_id
),

-- what is added to the counts keeps the interval honest where all agree; 1.96 is the normal quantile for 95 %
spread as (
    select
        w.test_id,
        (w.promoters - w.detractors) / (w.nps_n + 3) as nps_middle,
        1.959963984540054 * sqrt(
            (
                (w.promoters + w.detractors + 1.5) / (w.nps_n + 3)
                - (w.promoters - w.detractors) * (w.promoters - w.detractors) / ((w.nps_n + 3) * (w.nps_n + 3))
            ) / (w.nps_n + 3)
        ) as nps_reach,
        (w.successes + 1.920729410347062) / (w.success_n + 3.841458820694124) as success_middle,
        1.959963984540054 * sqrt(
            w.successes * (w.success_n - w.successes) / nullif(w.success_n, 0) + 0.960364705173531
        ) / (w.success_n + 3.841458820694124) as success_reach
    from counted as w
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
        q.completes,
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
        max(r.completes) as qx_n,
        max(r.extracted_at) as qx_extracted_at
    from scores as r
    where r.age = 1
    group by r.test_id
)

select
    a.test_id,
    coalesce(n.title, a.test_id) as test_title,
    cast(a.sessions as bigint) as sessions,
    cast(coalesce(c.shown, 0) as bigint) as shown,
    cast(coalesce(c.reached, 0) as bigint) as reached,
    cast(coalesce(c.skipped, 0) as bigint) as skipped,
    cast(coalesce(c.failed, 0) as bigint) as failed,
    cast(coalesce(c.completed, 0) as bigint) as completed,
    cast(coalesce(c.answered, 0) as bigint) as answered,
    cast(coalesce(c.promoters, 0) as bigint) as promoters,
    cast(coalesce(c.passives, 0) as bigint) as passives,
    cast(coalesce(c.detractors, 0) as bigint) as detractors,
    cast(coalesce(c.nps_n, 0) as bigint) as nps_n,
    100 * (c.promoters - c.detractors) / nullif(c.nps_n, 0) as nps,
    case
        when c.nps_n = 0 then null
        when b.nps_middle - b.nps_reach < -1 then cast(-100 as double)
        else 100 * (b.nps_middle - b.nps_reach)
    end as nps_low,
    case
        when c.nps_n = 0 then null
        when b.nps_middle + b.nps_reach > 1 then cast(100 as double)
        else 100 * (b.nps_middle + b.nps_reach)
    end as nps_high,
    case when c.scale_from = c.scale_to or c.scale_to is null then c.mean_rating end as mean_rating,
    case when c.scale_from = c.scale_to then c.scale_to end as scale_max,
    c.rating_share,
    cast(coalesce(c.rating_n, 0) as bigint) as rating_n,
    cast(coalesce(c.successes, 0) as bigint) as successes,
    cast(coalesce(c.success_n, 0) as bigint) as success_n,
    c.successes / nullif(c.success_n, 0) as success_rate,
    case
        when c.success_n = 0 then null
        when c.successes = 0 then cast(0 as double)
        else b.success_middle - b.success_reach
    end as success_low,
    case
        when c.success_n = 0 then null
        when c.successes = c.success_n then cast(1 as double)
        else b.success_middle + b.success_reach
    end as success_high,
    a.median_minutes,
    cast(a.minutes_n as bigint) as minutes_n,
    e.qx_score,
    e.behavioral,
    e.attitudinal,
    e.usability,
    e.trust,
    e.appearance,
    e.loyalty,
    e.qx_n,
    e.qx_extracted_at
from lasted as a
left join tests as n on n.test_id = a.test_id
left join counted as c on c.test_id = a.test_id
left join spread as b on b.test_id = a.test_id
left join experience as e on e.test_id = a.test_id
