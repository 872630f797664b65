-- People joining and leaving, by workplace and day of report; a report sent twice counts once.
WITH reported AS (
    SELECT DISTINCT workplace_id, trim(change_type) AS change_type, person_count, effective_on, created_at
    FROM src.subscription_change
)
SELECT
    workplace_id,
    coalesce(sum(person_count) FILTER (WHERE change_type = '취득'), 0)::BIGINT AS joined,
    coalesce(sum(person_count) FILTER (WHERE change_type = '상실'), 0)::BIGINT AS "left",
    coalesce(sum(CASE change_type WHEN '취득' THEN person_count ELSE -person_count END), 0)::BIGINT AS net_change,
    count(*) AS reports,
    max(date_diff('day', effective_on, created_at::DATE)) AS longest_delay_days,
    max(created_at) AS created_at,
    created_at::DATE AS etl_partition
FROM reported
WHERE change_type IN ('취득', '상실') AND workplace_id IS NOT NULL
GROUP BY workplace_id, reported.created_at::DATE
