-- grain: a test on a day, or in a week, on which sessions finished
-- key: test_id, period, starts_on
-- units:
--   test_title: the test's name; its id where no workspace was listed
--   period: day or week
--   starts_on: the day, UTC; of a week its Monday
--   sessions: sessions that finished then (started, where the API gives no finish) and whose details are here
--   answered: their answers
--   failed: navigation tasks whose goal was missed
--   nps_n: NPS answers
--   nps: -100 to 100, the percentage of answers of 9 and 10 less that of answers up to 6
--   rating_n: ratings whose scale is known
--   rating_share: 0 to 1, mean of each rating divided by the highest possible
--   success_n: navigation tasks with a verdict: goal reached or missed
--   success_rate: 0 to 1, the share of these whose goal was reached
-- caveats: Days and weeks are rows of one view: ask for one period. A day is a small sample, so look at the n beside each
--   number. Sessions that are gone from their test's listing are left out.
-- needs: session_details
with finished as (
    select
        d.test_id,
        d.session_id,
        coalesce(d.finish_time, d.start_time) at time zone 'UTC' as moment
    from session_details as d
    left join sessions as s on s.session_id = d.session_id
    where s.removed_at is null and coalesce(d.finish_time, d.start_time) is not null
),

spans as (
    select f.test_id, f.session_id, 'day' as period, cast(date_trunc('day', f.moment) as date) as starts_on
    from finished as f
    union all
    select g.test_id, g.session_id, 'week' as period, cast(date_trunc('week', g.moment) as date) as starts_on
    from finished as g
),

done as (
    select
        t.session_id,
        sum(case when t.answered then 1 else 0 end) as answered,
        sum(case when t.outcome = 'failed' then 1 else 0 end) as failed,
        sum(case when t.answered and t.answer_kind = 'nps' and t.answer_number >= 9 then 1 else 0 end) as promoters,
        sum(case when t.answered and t.answer_kind = 'nps' and t.answer_number <= 6 then 1 else 0 end) as detractors,
        sum(case when t.answered and t.answer_kind = 'nps' and t.answer_number is not null then 1 else 0 end) as nps_n,
        sum(
            case
                when t.answered and t.answer_kind = 'rating_scale' then t.answer_number / nullif(t.answer_scale_max, 0)
            end
        ) as shares,
        sum(
            case
                when t.answered and t.answer_kind = 'rating_scale' and t.answer_number is not null and t.answer_scale_max > 0
                    then 1
                else 0
            end
        ) as rating_n,
        sum(case when t.answered and t.answer_success then 1 else 0 end) as successes,
        sum(case when t.answered and t.answer_success is not null then 1 else 0 end) as success_n
    from tasks as t
    group by t.session_id
)

select
    p.test_id,
    max(coalesce(n.title, p.test_id)) as test_title,
    p.period,
    p.starts_on,
    cast(count(*) as bigint) as sessions,
    cast(coalesce(sum(w.answered), 0) as bigint) as answered,
    cast(coalesce(sum(w.failed), 0) as bigint) as failed,
    cast(coalesce(sum(w.nps_n), 0) as bigint) as nps_n,
    100 * cast(sum(w.promoters) - sum(w.detractors) as double) / nullif(sum(w.nps_n), 0) as nps,
    cast(coalesce(sum(w.rating_n), 0) as bigint) as rating_n,
    sum(w.shares) / nullif(sum(w.rating_n), 0) as rating_share,
    cast(coalesce(sum(w.success_n), 0) as bigint) as success_n,
    cast(sum(w.successes) as double) / nullif(sum(w.success_n), 0) as success_rate
from spans as p
left join done as w on w.session_id = p.session_id
left join tests as n on n.test_id = p.test_id
group by p.test_id, p.period, p.starts_on
