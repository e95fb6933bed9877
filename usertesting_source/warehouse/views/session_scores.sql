-- grain: a session with task groups, with what they say of its participant
-- key: session_id
-- units:
--   test_title: the test's name; its id where no workspace was listed
--   qx_score: 0 to 100, this participant's QXscore; the mean where the session has several groups
--   qx_groups: groups with a score
--   sequence: AB or BA, the order of a balanced comparison; the first where the session has several
-- caveats: The QXscore of a test is not the mean of these: take it from qx_scores. Sessions that are gone from their
--   test's listing are left out.
-- needs: session_details__task_groups
select
    d.test_id,
    coalesce(n.title, d.test_id) as test_title,
    g.session_id,
    g.participant_id,
    d.finish_time,
    avg(g.score) as qx_score,
    count(g.score) as qx_groups,
    min(g.sequence) as sequence
from session_details__task_groups as g
inner join session_details as d on d.session_id = g.session_id
left join sessions as s on s.session_id = g.session_id
left join tests as n on n.test_id = d.test_id
where s.removed_at is null
group by d.test_id, coalesce(n.title, d.test_id), g.session_id, g.participant_id, d.finish_time
