-- Every event once, those only whose code a machine can send.
with numbered as (
    select
        event_id,
        equipment_id,
        event_code,
        severity,
        value,
        occurred_at,
        created_at,
        cast(created_at as date) as event_date,
        row_number() over (partition by equipment_id, event_code, occurred_at order by event_id) as delivery
    from {{ source('extract', 'equipment_event') }}
    where {{ in_partitions('created_at') }}
)

select event_id, equipment_id, event_code, severity, value, occurred_at, created_at, event_date
from numbered
where delivery = 1 and event_code like '____' and substr(event_code, 1, 1) in ('E', 'W')
