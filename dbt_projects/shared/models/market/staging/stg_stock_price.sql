-- The last correction of each day's price.
{{ config(materialized='view') }}

with numbered as (
    select
        *,
        {{ partition_day('trade_date') }} as price_date,
        row_number() over (partition by ticker, {{ partition_day('trade_date') }} order by received_at desc) as newest_first
    from {{ source('extract', 'stock_price') }}
)

select
    ticker,
    price_date,
    cast(close as decimal(18, 2)) as close,
    volume,
    received_at
from numbered
where newest_first = 1 and low <= high and (close > 0 or close is null)
