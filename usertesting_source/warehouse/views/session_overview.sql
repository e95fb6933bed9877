-- grain: a session whose details are here, on one line
-- key: session_id
-- units:
--   test_title: the test's name; its id where no workspace was listed
--   minutes: minutes from the session's start to its finish
--   gender, age_group, income: the answer to the demographic question with this code; null when it was not asked
--   demographics: all demographic answers as CODE: value, joined by '; ', in the order of their codes
--   tasks: tasks of the session, as the API lists them
--   answered: tasks with an answer
--   completed: tasks that were completed, see outcome in the view tasks
--   skipped: tasks that were skipped
--   failed: navigation tasks whose goal was missed
--   nps: 0 to 10, the answer to the NPS task; the mean where there are several
--   mean_rating: mean of the ratings, all on one scale; null where the scales differ
--   rating_scale_max: the highest rating possible; null where the scales differ
--   rating_share: 0 to 1, mean of each rating divided by the highest possible
--   rating_n: ratings
--   qx_score: 0 to 100, this participant's QXscore
--   sequence: AB or BA, the order of a balanced comparison
--   cues: cues of the transcript; null without a transcript
--   has_transcript: whether the transcript is here
--   has_video: whether the video was downloaded
-- caveats: Which codes the API uses is not documented beyond examples, so look into demographics where a column is null.
--   Screener answers and incomplete sessions are not in the API. Sessions that are gone from their test's listing are
--   left out.
-- needs: session_details
with done as (
    select
        t.session_id,
        count(*) as tasks,
        sum(case when t.answered then 1 else 0 end) as answered,
        sum(case when t.outcome = 'completed' then 1 else 0 end) as completed,
        sum(case when t.outcome = 'skipped' then 1 else 0 end) as skipped,
        sum(case when t.outcome = 'failed' then 1 else 0 end) as failed,
        avg(case when t.answered and t.answer_kind = 'nps' then t.answer_number end) as nps,
        avg(case when t.answered and t.answer_kind = 'rating_scale' then t.answer_number end) as mean_rating,
        count(case when t.answered and t.answer_kind = 'rating_scale' then t.answer_number end) as rating_n,
        min(case when t.answered and t.answer_kind = 'rating_scale' then t.answer_scale_max end) as scale_from,
        max(case when t.answered and t.answer_kind = 'rating_scale' then t.answer_scale_max end) as scale_to,
        avg(
            case
                when t.answered and t.answer_kind = 'rating_scale'
                    then t.answer_number / nullif(t.answer_scale_max, 0)
            end
        ) as rating_share
    from tasks as t
    group by t.session_id
),

people as (
    select
        p.session_id,
        max(case when p.demographic_code = 'GENDER' then p.value end) as gender,
        max(case when p.demographic_code = 'AGE_GROUP' then p.value end) as age_group,
        max(case when p.demographic_code = 'INCOME' then p.value end) as income,
        string_agg(
            concat(coalesce(p.demographic_code, p.label, ''), ': ', p.value), '; ' order by p.demographic_code nulls first
        ) as demographics
    from session_details__demographics as p
    where p.value is not null
    group by p.session_id
),

spoken as (
    select v.session_id, max(coalesce(v.cue_count, 0)) as cues
    from transcripts as v
    group by v.session_id
),

filmed as (
    select distinct m.session_id
    from session_videos as m
)

select
    d.session_id,
    d.test_id,
    coalesce(n.title, d.test_id) as test_title,
    d.participant_id,
    d.audience_id,
    d.start_time,
    d.finish_time,
    cast(date_diff('millisecond', d.start_time, d.finish_time) as double) / 60000 as minutes,
    p.gender,
    p.age_group,
    p.income,
    p.demographics,
    cast(coalesce(w.tasks, 0) as bigint) as tasks,
    cast(coalesce(w.answered, 0) as bigint) as answered,
    cast(coalesce(w.completed, 0) as bigint) as completed,
    cast(coalesce(w.skipped, 0) as bigint) as skipped,
    cast(coalesce(w.failed, 0) as bigint) as failed,
    w.nps,
    case when w.scale_from = w.scale_to or w.scale_to is null then w.mean_rating end as mean_rating,
    case when w.scale_from = w.scale_to then w.scale_to end as rating_scale_max,
    w.rating_share,
    cast(coalesce(w.rating_n, 0) as bigint) as rating_n,
    q.qx_score,
    q.sequence,
    v.cues,
    cast(case when v.session_id is null then 0 else 1 end as boolean) as has_transcript,
    cast(case when m.session_id is null then 0 else 1 end as boolean) as has_video
from session_details as d
left join sessions as s on s.session_id = d.session_id
left join tests as n on n.test_id = d.test_id
left join done as w on w.session_id = d.session_id
left join people as p on p.session_id = d.session_id
left join session_scores as q on q.session_id = d.session_id
left join spoken as v on v.session_id = d.session_id
left join filmed as m on m.session_id = d.session_id
where s.removed_at is null
