{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='event_date') }}

-- Alarms and warnings of each machine by day.
select
    event_date,
    equipment_id,
    count(*) as events,
    sum(case when severity = 'ALARM' then 1 else 0 end) as alarms,
    max(value) as highest_value
from {{ ref('stg_equipment_event') }}
where {{ in_partitions('event_date') }}
group by event_date, equipment_id
