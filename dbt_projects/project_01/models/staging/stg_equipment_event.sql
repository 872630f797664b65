-- Every event once a day, those only whose code a machine can send.
with dated as (
    select *, {{ partition_day('created_at') }} as event_date
    from {{ source('extract', 'equipment_event') }}
),

numbered as (
    select
        *,
        row_number() over (
            partition by event_date, equipment_id, event_code, occurred_at order by event_id
        ) as delivery
    from dated
)

select event_id, equipment_id, event_code, severity, value, occurred_at, created_at, event_date
from numbered
where delivery = 1 and event_code like '____' and substr(event_code, 1, 1) in ('E', 'W')
