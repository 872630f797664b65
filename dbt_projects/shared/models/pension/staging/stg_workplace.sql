-- Every change of a workplace, numbers without hyphens.
{{ config(materialized='view') }}

select distinct
    workplace_id,
    trim(business_name) as business_name,
    replace(business_registration_number, '-', '') as business_registration_number,
    industry_code,
    status_code,
    subscriber_count,
    cast(monthly_amount as decimal(14, 0)) as monthly_amount,
    updated_at,
    {{ partition_day('updated_at') }} as change_date
from {{ source('extract', 'workplace') }}
