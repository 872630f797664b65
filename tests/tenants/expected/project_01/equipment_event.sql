-- Every event once (the first delivery of the day), without those that the rules set aside.
WITH once AS (
    SELECT *, created_at::DATE AS etl_partition
    FROM src.equipment_event
    WHERE event_id IN (
        SELECT min(event_id) FROM src.equipment_event GROUP BY created_at::DATE, equipment_id, event_code, occurred_at
    )
),
measured AS (
    SELECT
        *,
        date_diff('second', occurred_at, created_at) AS delay_seconds,
        occurred_at::DATE < created_at::DATE AS is_late,
        date_diff(
            'second',
            lag(occurred_at) OVER (PARTITION BY etl_partition, equipment_id ORDER BY occurred_at, event_id),
            occurred_at
        ) AS seconds_since_previous
    FROM once
)
SELECT
    event_id, equipment_id, event_code, severity, value, message, occurred_at, created_at,
    delay_seconds, is_late, seconds_since_previous, etl_partition
FROM measured
WHERE event_code SIMILAR TO '[EW][0-9][0-9][0-9]' AND occurred_at <= created_at
