-- grain: a task of a session, with its answer
-- key: session_id, task_uuid
-- units:
--   test_title: the test's name; its id where no workspace was listed
--   task_number: the order in which the participant met the task, from 1; null when it was not met
--   task_position: position in the API's list of tasks, from 1
--   outcome: not_reached, skipped, failed (a navigation task whose goal was missed), completed, left (begun, without an end)
--   task_seconds: seconds from the task's start to its end; null for skipped tasks
-- caveats: The first nine columns are those that the vendor's pipeline tutorial recommends. A task that asks for nothing
--   (BLANK, IMAGE) is completed without an answer. The API tells neither a participant's skip from one by the test's
--   logic, nor a task that was not reached from one that was branched past. Sessions that are gone from their test's
--   listing are left out.
-- needs: session_details__tasks
with judged as (
    select
        d.test_id,
        d.finish_time,
        t.session_id,
        t.participant_id,
        t.task_uuid,
        t.task_text,
        t.task_type,
        t.start_time_ms,
        t.end_time_ms,
        t.skipped,
        t.answer_json,
        t.task_number as task_position,
        t.answered,
        t.answer_kind,
        t.answer_number,
        t.answer_scale_max,
        t.answer_success,
        t.answer_text,
        case
            when t.skipped then 'skipped'
            when not t.answer_success then 'failed'
            when t.answered or t.end_time_ms is not null then 'completed'
            when t.start_time_ms is not null or t.skipped is not null then 'left'
            else 'not_reached'
        end as outcome
    from session_details__tasks as t
    inner join session_details as d on d.session_id = t.session_id
    left join sessions as s on s.session_id = t.session_id
    where s.removed_at is null
)

select
    j.session_id,
    j.participant_id,
    j.task_uuid,
    j.task_text,
    j.task_type,
    j.start_time_ms,
    j.end_time_ms,
    j.skipped,
    j.answer_json,
    j.test_id,
    coalesce(n.title, j.test_id) as test_title,
    j.finish_time,
    case when j.outcome <> 'not_reached' then
        cast(row_number() over (
            partition by j.session_id
            order by case when j.outcome = 'not_reached' then 1 else 0 end, coalesce(j.start_time_ms, 9007199254740991), j.task_position
        ) as bigint)
    end as task_number,
    j.task_position,
    j.outcome,
    case when j.outcome <> 'skipped' then cast(j.end_time_ms - j.start_time_ms as double) / 1000 end as task_seconds,
    j.answered,
    j.answer_kind,
    j.answer_number,
    j.answer_scale_max,
    j.answer_success,
    j.answer_text
from judged as j
left join tests as n on n.test_id = j.test_id
