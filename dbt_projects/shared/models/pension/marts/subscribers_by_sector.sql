-- Subscribers and what they pay by sector, as of the last change of each workplace.
with newest as (
    select *, row_number() over (partition by workplace_id order by updated_at desc) as newest_first
    from {{ ref('stg_workplace') }}
    where status_code = 1
)

select
    coalesce(industry.sector, 'X') as sector,
    count(*) as workplaces,
    sum(newest.subscriber_count) as subscribers,
    sum(newest.monthly_amount) as monthly_amount
from newest
left join {{ ref('stg_industry') }} as industry on newest.industry_code = industry.industry_code
where newest.newest_first = 1
group by coalesce(industry.sector, 'X')
