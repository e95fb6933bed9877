-- grain: a task group of a session
-- key: session_id, task_group_uuid
-- units: none
-- caveats: Name and columns are those that the vendor's pipeline tutorial recommends. Sessions that are gone from their
--   test's listing are left out.
-- needs: session_details__task_groups
select
    g.session_id,
    g.participant_id,
    g.task_group_uuid,
    g.task_group_type,
    g.task_group_response
from session_details__task_groups as g
left join sessions as s on s.session_id = g.session_id
where s.removed_at is null
