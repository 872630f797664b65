{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='price_date') }}

-- What was traded in each market by day.
select
    price.price_date,
    coalesce(security.market, 'OTHER') as market,
    count(*) as securities,
    sum(price.volume) as volume,
    sum(price.close * price.volume) as turnover
from {{ ref('stg_stock_price') }} as price
left join {{ ref('stg_security') }} as security on price.ticker = security.ticker
where {{ in_partitions('price.price_date') }}
group by price.price_date, coalesce(security.market, 'OTHER')
