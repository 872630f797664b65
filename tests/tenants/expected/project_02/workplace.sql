-- The newest acceptable state of each workplace: the last change of each day, unless the rules set it aside.
WITH last_of_day AS (
    SELECT * EXCLUDE (business_registration_number),
        replace(business_registration_number, '-', '') AS business_registration_number
    FROM src.workplace
    QUALIFY row_number() OVER (PARTITION BY workplace_id, updated_at::DATE ORDER BY updated_at DESC, change_id DESC) = 1
)
SELECT
    workplace_id,
    trim(regexp_replace(nfc_normalize(business_name), '\s+', ' ', 'g')) AS business_name,
    business_registration_number,
    trim(regexp_replace(nfc_normalize(address), '\s+', ' ', 'g')) AS address,
    industry_code,
    status_code,
    subscriber_count,
    monthly_amount::DECIMAL(14, 0) AS monthly_amount,
    updated_at
FROM last_of_day
WHERE status_code IN (1, 2)
  AND coalesce(business_registration_number SIMILAR TO '[0-9]{10}', true)
QUALIFY row_number() OVER (PARTITION BY workplace_id ORDER BY updated_at DESC) = 1
