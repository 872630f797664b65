{# One row a day: Trino replaces it by one MERGE, while its delete+insert is two commits. #}
{{
    config(
        materialized='incremental',
        incremental_strategy='merge' if target.type == 'trino' else 'delete+insert',
        unique_key='report_date',
    )
}}

-- People who joined and left by day of report; a report sent twice counts once.
with reports as (
    select distinct
        {{ partition_day('created_at') }} as report_date,
        workplace_id,
        trim(change_type) as change_type,
        person_count,
        effective_on,
        created_at
    from {{ source('extract', 'subscription_change') }}
)

select
    report_date,
    sum(case when change_type = '취득' then person_count else 0 end) as joined,
    sum(case when change_type = '상실' then person_count else 0 end) as departed,
    count(*) as reports
from reports
where {{ in_partitions('report_date') }}
group by report_date
