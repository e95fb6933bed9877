-- grain: what a participant wrote or said as the answer to a task
-- key: session_id, task_uuid
-- units:
--   source: said (to a verbal task), or written
--   words: what was written or said, line breaks kept
-- caveats: Chosen labels are no words of the participant, so choices, ranks, matrices and the labels of scales are left
--   out. What was said aloud during other tasks is in task_transcripts. A spoken task may reach the API as a written
--   one, and then counts as written. Sessions that are gone from their test's listing are left out.
-- needs: session_details__tasks
select
    a.test_id,
    a.test_title,
    a.session_id,
    a.participant_id,
    a.finish_time,
    a.task_number,
    a.task_position,
    a.task_uuid,
    a.task_text,
    a.task_type,
    case when a.answer_kind = 'verbal' then 'said' else 'written' end as source,
    a.answer_text as words
from answers as a
where
    a.answer_text is not null
    and coalesce(a.answer_kind, '') not in ('multiple_choice', 'rank_order', 'matrix', 'rating_scale', 'nps')
