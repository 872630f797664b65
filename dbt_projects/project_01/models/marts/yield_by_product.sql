-- Wafers in and out of each product by day: those that were there at the first step and at the last.
select
    lot_date,
    product_code,
    count(distinct lot_id) as lots,
    sum(case when step_order = 1 then qty end) as qty_in,
    sum(case when step_order = 5 then qty end) as qty_out
from {{ ref('fct_lot_step') }}
where qty >= 0
group by lot_date, product_code
