-- The newest version of each ticker.
SELECT
    ticker,
    nfc_normalize(trim(name)) AS name,
    upper(trim(market)) AS market,
    listed_on,
    shares,
    changed_at
FROM src.security AS this
WHERE changed_at = (SELECT max(changed_at) FROM src.security AS other WHERE other.ticker = this.ticker)
