-- The latest version of each lot at each step of a day, keys cleaned.
with cleaned as (
    select
        upper(trim(both {{ blanks() }} from lot_id)) as lot_id,
        upper(trim(process_step)) as process_step,
        product_code,
        equipment_id,
        qty,
        upper(status) as status,
        created_at,
        updated_at,
        id,
        {{ partition_day('created_at') }} as lot_date
    from {{ source('extract', 'lot_history') }}
    where lot_id is not null
),

numbered as (
    select
        *,
        row_number() over (partition by lot_date, lot_id, process_step order by updated_at desc, id desc) as newest_first
    from cleaned
)

select lot_id, process_step, product_code, equipment_id, qty, status, created_at, updated_at, lot_date
from numbered
where newest_first = 1
