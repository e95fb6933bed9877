-- grain: an answer that holds something, with its test and participant
-- key: session_id, task_uuid
-- units: none
-- caveats: The typed columns are null where the answer could not be read; answer_json always holds what came. Of card
--   sorts and other kinds that the API does not describe there is answer_json at most. Sessions that are gone from
--   their test's listing are left out.
-- needs: session_details__tasks
select
    t.test_id,
    t.test_title,
    t.session_id,
    t.participant_id,
    t.finish_time,
    t.task_number,
    t.task_position,
    t.task_uuid,
    t.task_text,
    t.task_type,
    t.answer_kind,
    t.answer_number,
    t.answer_scale_max,
    t.answer_success,
    t.answer_text,
    t.answer_json,
    t.task_seconds
from tasks as t
where t.answered
