-- grain: an answer that holds something, with its test and participant
-- key: session_id, task_uuid
-- units:
--   task_seconds: seconds from the task's start to its end
-- caveats: The typed columns are null where the answer could not be read; answer_json always holds what came. Sessions
--   that are gone from their test's listing are left out.
-- needs: session_details__tasks
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
where t.answered and s.removed_at is null
