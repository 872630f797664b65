-- The day of each ticker out of its five-minute bars; a negative volume counts as none.
WITH bar AS (
    SELECT DISTINCT * REPLACE (greatest(volume, 0) AS volume) FROM src.price_bar WHERE close IS NOT NULL
)
SELECT
    ticker,
    count(*) AS bars,
    arg_min(open, bar_at) AS open,
    max(high) AS high,
    min(low) AS low,
    arg_max(close, bar_at) AS close,
    sum(volume)::BIGINT AS volume,
    round(sum(close * volume) / sum(volume), 6) AS vwap,
    max(bar_at) AS bar_at,
    bar_at::DATE AS etl_partition
FROM bar
GROUP BY ticker, bar.bar_at::DATE
