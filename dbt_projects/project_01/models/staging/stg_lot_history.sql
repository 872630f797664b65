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
        cast(created_at as date) as lot_date,
        row_number() over (
            partition by cast(created_at as date), upper(trim(both {{ blanks() }} from lot_id)), process_step
            order by updated_at desc, id desc
        ) as newest_first
    from {{ source('extract', 'lot_history') }}
    where lot_id is not null and {{ in_partitions('created_at') }}
)

select lot_id, process_step, product_code, equipment_id, qty, status, created_at, updated_at, lot_date
from cleaned
where newest_first = 1
