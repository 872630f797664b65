-- The last correction of each price; ranks are taken before the rules set bad prices aside.
WITH last_price AS (
    SELECT * FROM src.stock_price
    QUALIFY row_number() OVER (PARTITION BY ticker, trade_date ORDER BY received_at DESC) = 1
),
listed AS (
    SELECT ticker, arg_max_null(upper(trim(market)), changed_at) AS market, arg_max_null(shares, changed_at) AS shares
    FROM src.security
    GROUP BY ticker
),
valued AS (
    SELECT
        p.ticker,
        trade_date,
        market,
        open::DECIMAL(18, 2) AS open,
        high::DECIMAL(18, 2) AS high,
        low::DECIMAL(18, 2) AS low,
        close::DECIMAL(18, 2) AS close,
        volume,
        (close::DECIMAL(18, 2) * volume::DECIMAL(18, 0))::DECIMAL(18, 2) AS turnover,
        (close::DECIMAL(18, 2) * shares::DECIMAL(18, 0))::DECIMAL(24, 2) AS market_value,
        received_at
    FROM last_price AS p
    LEFT JOIN listed USING (ticker)
)
SELECT
    * EXCLUDE (turnover, market_value, received_at),
    turnover,
    CASE WHEN turnover IS NOT NULL THEN
        rank() OVER (PARTITION BY trade_date, market ORDER BY turnover DESC NULLS LAST)
    END AS turnover_rank,
    market_value,
    received_at,
    trade_date AS etl_partition
FROM valued
QUALIFY low <= high AND (close IS NULL OR close > 0)
