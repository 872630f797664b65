-- Every industry once; no sector means X.
{{ config(materialized='view') }}

select distinct industry_code, industry_name, coalesce(sector, 'X') as sector
from {{ source('extract', 'industry') }}
