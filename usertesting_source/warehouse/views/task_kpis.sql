-- grain: a task of a test, with how it went over all sessions
-- key: test_id, task_uuid
-- units:
--   task_number: the earliest place at which a participant met the task; where it was never met its position
--   task_position: position in the API's list of tasks, from 1; the lowest where sessions differ
--   task_text: the prompt; one of them where sessions differ
--   task_type: RATING_SCALE, NPS, MULTIPLE_CHOICE, ...; an open set
--   shown: sessions whose details list the task
--   reached: of these, those that came to it: the API has a response, be it a skip
--   skipped: of those that reached it, those in which it was skipped, by the participant or by the test's logic
--   failed: of those that reached it, those that missed the goal of a navigation task
--   completed: of those that reached it, those that ended it without a skip or a missed goal, also where no answer is asked for
--   answered: sessions with an answer that holds something
--   median_seconds: seconds from the task's start to its end, the median; skipped or not reached tasks left out
--   seconds_n: sessions behind median_seconds
--   mean_rating: mean of the ratings as they came, on the task's scale
--   scale_max: the highest rating possible; null where it is not said, or differs
--   rating_share: 0 to 1, mean of each rating divided by the highest possible; to compare tasks of different scales
--   rating_n: ratings behind mean_rating
--   promoters, passives, detractors: NPS answers of 9 and 10, of 7 and 8, of 0 to 6
--   nps_n: NPS answers
--   nps: -100 to 100, the percentage of promoters less that of detractors
--   nps_low, nps_high: -100 to 100, bounds of the NPS of everybody like these participants, with 95 % confidence
--   successes: sessions that reached the goal of a navigation task
--   success_n: sessions with a verdict: goal reached or missed
--   success_rate: 0 to 1, successes of success_n
--   success_low, success_high: 0 to 1, bounds of the success rate of everybody like these participants, with 95 % confidence
-- caveats: In the success rate count only sessions with a verdict: skipped and unreached tasks are left out, since the
--   API does not tell a participant who gave up from a test's logic that went another way. Who counts every skip as a
--   failure divides successes by reached. Bounds of the success rate are Wilson's score interval (E. B. Wilson, JASA 22,
--   1927; recommended for small samples by Brown, Cai and DasGupta, Statistical Science 16, 2001), those of the NPS the
--   adjusted Wald interval for a difference of two shares (A. Agresti and Y. Min, Biostatistics 6, 2005): three
--   participants are added, three quarters of one a promoter and as much a detractor. Sessions that are gone from
--   their test's listing are left out.
-- needs: session_details__tasks
with placed as (
    select
        t.test_id,
        t.test_title,
        t.task_uuid,
        t.task_number,
        t.task_position,
        t.task_text,
        t.task_type,
        t.outcome,
        t.answered,
        t.task_seconds,
        case when t.answered and t.answer_kind = 'rating_scale' then t.answer_number end as rating,
        case when t.answered and t.answer_kind = 'rating_scale' then t.answer_scale_max end as scale_max,
        case when t.answered and t.answer_kind = 'nps' then t.answer_number end as score,
        case when t.answered and t.answer_success then 1 when t.answered and not t.answer_success then 0 end as success,
        row_number() over (
            partition by t.test_id, t.task_uuid, case when t.task_seconds is null then 1 else 0 end
            order by t.task_seconds
        ) as place,
        count(*) over (
            partition by t.test_id, t.task_uuid, case when t.task_seconds is null then 1 else 0 end
        ) as places
    from tasks as t
),

counted as (
    select
        p.test_id,
        p.task_uuid,
        max(p.test_title) as test_title,
        min(p.task_number) as task_number,
        min(p.task_position) as task_position,
        max(p.task_text) as task_text,
        max(p.task_type) as task_type,
        count(*) as shown,
        sum(case when p.outcome = 'not_reached' then 0 else 1 end) as reached,
        sum(case when p.outcome = 'skipped' then 1 else 0 end) as skipped,
        sum(case when p.outcome = 'failed' then 1 else 0 end) as failed,
        sum(case when p.outcome = 'completed' then 1 else 0 end) as completed,
        sum(case when p.answered then 1 else 0 end) as answered,
        avg(case when p.place * 2 between p.places and p.places + 2 then p.task_seconds end) as median_seconds,
        count(p.task_seconds) as seconds_n,
        avg(p.rating) as mean_rating,
        min(p.scale_max) as scale_from,
        max(p.scale_max) as scale_to,
        avg(p.rating / nullif(p.scale_max, 0)) as rating_share,
        count(p.rating) as rating_n,
        cast(sum(case when p.score >= 9 then 1 else 0 end) as double) as promoters,
        cast(sum(case when p.score > 6 and p.score < 9 then 1 else 0 end) as double) as passives,
        cast(sum(case when p.score <= 6 then 1 else 0 end) as double) as detractors,
        cast(count(p.score) as double) as nps_n,
        cast(coalesce(sum(p.success), 0) as double) as successes,
        cast(count(p.success) as double) as success_n
    from placed as p
    group by p.test_id, p.task_uuid
),

-- what is added to the counts keeps the interval honest where all agree; 1.96 is the normal quantile for 95 %
spread as (
    select
        w.test_id,
        w.task_uuid,
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
)

select
    c.test_id,
    c.test_title,
    coalesce(c.task_number, c.task_position) as task_number,
    c.task_position,
    c.task_uuid,
    c.task_text,
    c.task_type,
    cast(c.shown as bigint) as shown,
    cast(c.reached as bigint) as reached,
    cast(c.skipped as bigint) as skipped,
    cast(c.failed as bigint) as failed,
    cast(c.completed as bigint) as completed,
    cast(c.answered as bigint) as answered,
    c.median_seconds,
    cast(c.seconds_n as bigint) as seconds_n,
    c.mean_rating,
    case when c.scale_from = c.scale_to then c.scale_to end as scale_max,
    c.rating_share,
    cast(c.rating_n as bigint) as rating_n,
    cast(c.promoters as bigint) as promoters,
    cast(c.passives as bigint) as passives,
    cast(c.detractors as bigint) as detractors,
    cast(c.nps_n as bigint) as nps_n,
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
    cast(c.successes as bigint) as successes,
    cast(c.success_n as bigint) as success_n,
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
    end as success_high
from counted as c
inner join spread as b on b.test_id = c.test_id and b.task_uuid = c.task_uuid
