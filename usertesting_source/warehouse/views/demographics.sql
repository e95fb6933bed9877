-- grain: a demographic answer of a session
-- key: session_id, demographic_code
-- units: none
-- caveats: Name and columns are those that the vendor's pipeline tutorial recommends. The API may leave out a code. What
--   it says is as of the session: later changes of a participant's profile do not arrive. Sessions that are gone from
--   their test's listing are left out.
-- needs: session_details__demographics
select
    g.session_id,
    g.participant_id,
    g.demographic_code,
    g.label,
    g.value,
    g.type
from session_details__demographics as g
left join sessions as s on s.session_id = g.session_id
where s.removed_at is null
