-- Rows that the extracts brought by day: the same model for every tenant of this project.
{% for pipeline, date_column in var('dated_extracts')[var('tenant')].items() %}
select '{{ pipeline }}' as pipeline, {{ partition_day(date_column) }} as extract_date, count(*) as extracted_rows
from {{ source('extract', pipeline) }}
group by 1, 2
{{ 'union all' if not loop.last }}
{% endfor %}
