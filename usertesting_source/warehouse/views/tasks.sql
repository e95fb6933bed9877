-- grain: a task of a session
-- key: session_id, task_uuid
-- units: none
-- caveats: Name and columns are those that the vendor's pipeline tutorial recommends. Sessions that are gone from their
--   test's listing are left out.
-- needs: session_details__tasks
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
where s.removed_at is null
