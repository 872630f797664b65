-- The version of each item that is valid from the latest day; of two from one day, the one written last.
SELECT
    item_code,
    nfc_normalize(trim(item_name)) AS item_name,
    upper(category) AS category,
    unit_price::DECIMAL(12, 2) AS unit_price,
    is_active <> 0 AS is_active,
    valid_from,
    valid_to
FROM src.cfg_item_master
QUALIFY row_number() OVER (PARTITION BY item_code ORDER BY valid_from DESC, id DESC) = 1
