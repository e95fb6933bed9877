-- grain: an option of a choice or ranking task, or a cell of a matrix, that somebody took, or that the API says was offered
-- key: test_id, task_uuid, label, value
-- units:
--   test_title: the test's name; its id where no workspace was listed
--   task_position: position in the API's list of tasks, from 1; the lowest where sessions differ
--   task_text: the prompt; one of them where sessions differ
--   task_type: MULTIPLE_CHOICE, RANK_ORDER, MATRIX, or a newer one
--   label: the option; in a matrix the row
--   value: in a matrix the column that the row was given; null elsewhere
--   chosen: sessions that took it (in a ranking: that ranked it)
--   respondents: sessions that could: those that chose or ranked anything in this task; in a matrix, that gave this row anything
--   share: 0 to 1, chosen of respondents
--   mean_rank: of a ranking, the mean rank, 1 the highest; null elsewhere
--   first_ranks: of a ranking, sessions that ranked it first; null elsewhere
-- caveats: Several options may be taken in one answer, so shares can add up to more than 1. An option that nobody took is
--   here only where the API says what was offered (session_details__tasks__offered_options), which no document
--   promises. Sessions that are gone from their test's listing are left out.
-- needs: session_details__tasks__answer_options
with taken as (
    select
        t.test_id,
        t.session_id,
        t.task_uuid,
        t.answer_kind,
        coalesce(o.label, o.value) as label,
        case when t.answer_kind = 'matrix' then o.value end as value,
        case when t.answer_kind = 'rank_order' then o.position end as ranked
    from session_details__tasks__answer_options as o
    inner join tasks as t on t.session_id = o.session_id and t.task_uuid = o.task_uuid
    where t.answered
),

offered as (
    select distinct
        f.test_id,
        e.task_uuid,
        e.label,
        cast(null as text) as value
    from session_details__tasks__offered_options as e
    inner join tasks as f on f.session_id = e.session_id and f.task_uuid = e.task_uuid
    where f.answer_kind <> 'matrix'
),

listed as (
    select k.test_id, k.task_uuid, k.label, k.value from taken as k
    union
    select v.test_id, v.task_uuid, v.label, v.value from offered as v
),

counted as (
    select
        c.test_id,
        c.task_uuid,
        c.label,
        c.value,
        count(distinct c.session_id) as chosen,
        avg(cast(c.ranked as double)) as mean_rank,
        count(distinct case when c.ranked = 1 then c.session_id end) as first_ranks,
        max(c.ranked) as lowest
    from taken as c
    group by c.test_id, c.task_uuid, c.label, c.value
),

-- of a matrix each row has respondents of its own, all else has those of the task
asked as (
    select
        r.test_id,
        r.task_uuid,
        case when r.answer_kind = 'matrix' then r.label end as matrix_row,
        count(distinct r.session_id) as respondents
    from taken as r
    group by r.test_id, r.task_uuid, case when r.answer_kind = 'matrix' then r.label end
),

described as (
    select
        q.test_id,
        q.task_uuid,
        max(q.test_title) as test_title,
        min(q.task_position) as task_position,
        max(q.task_text) as task_text,
        max(q.task_type) as task_type
    from tasks as q
    group by q.test_id, q.task_uuid
)

select
    l.test_id,
    b.test_title,
    b.task_position,
    l.task_uuid,
    b.task_text,
    b.task_type,
    l.label,
    l.value,
    cast(coalesce(x.chosen, 0) as bigint) as chosen,
    cast(coalesce(w.respondents, 0) as bigint) as respondents,
    cast(coalesce(x.chosen, 0) as double) / nullif(w.respondents, 0) as share,
    x.mean_rank,
    cast(case when x.lowest is not null then x.first_ranks end as bigint) as first_ranks
from listed as l
inner join described as b on b.test_id = l.test_id and b.task_uuid = l.task_uuid
left join counted as x
    on
        x.test_id = l.test_id and x.task_uuid = l.task_uuid and x.label = l.label
        and coalesce(x.value, '') = coalesce(l.value, '')
left join asked as w
    on
        w.test_id = l.test_id and w.task_uuid = l.task_uuid
        and coalesce(w.matrix_row, l.label) = l.label
