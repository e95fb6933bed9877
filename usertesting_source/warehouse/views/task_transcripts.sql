-- grain: a task of a session during which something was said
-- key: session_id, task_uuid
-- units:
--   test_title: the test's name; its id where no workspace was listed
--   cues: cues of the transcript that overlap the task
--   said: the words of these cues in their order, joined by spaces
-- caveats: Two clocks meet here: tasks are timed from the session's start, cues from the recording's start. The API does
--   not say that these are the same moment, so take the borders as approximate; a cue that overlaps two tasks is in
--   both. Sessions that are gone from their test's listing are left out.
-- needs: transcripts__cues
select
    d.test_id,
    coalesce(n.title, d.test_id) as test_title,
    t.session_id,
    t.participant_id,
    t.task_number,
    t.task_uuid,
    t.task_text,
    t.start_time_ms,
    t.end_time_ms,
    count(*) as cues,
    string_agg(c.text, ' ' order by c.start_ms nulls first) as said
from session_details__tasks as t
inner join session_details as d on d.session_id = t.session_id
inner join transcripts__cues as c
    on c.session_id = t.session_id and c.start_ms < t.end_time_ms and c.end_ms > t.start_time_ms
left join sessions as s on s.session_id = t.session_id
left join tests as n on n.test_id = d.test_id
where s.removed_at is null
group by
    d.test_id,
    coalesce(n.title, d.test_id),
    t.session_id,
    t.participant_id,
    t.task_number,
    t.task_uuid,
    t.task_text,
    t.start_time_ms,
    t.end_time_ms
