{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='lot_date',
        on_schema_change='append_new_columns',
    )
}}
{% if target.type == 'trino' %}{{ config(properties={'partitioning': "ARRAY['lot_date']"}) }}{% endif %}

-- What each step of each lot cost in wafers. One run replaces whole days, so running a day again changes nothing.
select
    history.lot_date,
    history.lot_id,
    history.process_step,
    steps.step_order,
    history.product_code,
    history.equipment_id,
    history.qty,
    lag(history.qty) over (
        partition by history.lot_date, history.lot_id order by steps.step_order
    ) - history.qty as lost_qty,
    history.status,
    history.created_at
from {{ ref('stg_lot_history') }} as history
inner join {{ ref('process_steps') }} as steps on history.process_step = steps.process_step
where {{ in_partitions('history.lot_date') }}
