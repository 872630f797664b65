-- The version of each item that counts.
with numbered as (
    select
        item_code,
        trim(item_name) as item_name,
        upper(category) as category,
        cast(unit_price as decimal(12, 2)) as unit_price,
        is_active = 1 as is_active,
        valid_from,
        valid_to,
        row_number() over (partition by item_code order by valid_from desc, id desc) as newest_first
    from {{ source('extract', 'cfg_item_master') }}
)

select item_code, item_name, category, unit_price, is_active, valid_from, valid_to
from numbered
where newest_first = 1
