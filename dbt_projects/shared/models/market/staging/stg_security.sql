-- What is listed, as it is called now.
{{ config(materialized='view') }}

with numbered as (
    select
        ticker,
        trim(name) as name,
        upper(trim(market)) as market,
        shares,
        row_number() over (partition by ticker order by changed_at desc) as newest_first
    from {{ source('extract', 'security') }}
)

select ticker, name, market, shares
from numbered
where newest_first = 1
