-- One row per day, lot and step: the version updated last; steps counted and losses taken in the order of the day.
WITH clean AS (
    SELECT
        upper(trim(lot_id, ' ' || chr(12288))) AS lot_id,
        upper(trim(process_step)) AS process_step,
        upper(trim(product_code)) AS product_code,
        equipment_id,
        qty,
        upper(trim(status)) AS status,
        nfc_normalize(trim(operator)) AS operator,
        nullif(nfc_normalize(trim(note)), '') AS note,
        created_at,
        updated_at,
        id,
        created_at::DATE AS etl_partition
    FROM src.lot_history
    WHERE lot_id IS NOT NULL
),
newest AS (
    SELECT max_by(id, (updated_at, id)) AS id FROM clean GROUP BY etl_partition, lot_id, process_step
),
latest AS (
    SELECT * FROM clean SEMI JOIN newest USING (id)
)
SELECT
    lot_id,
    process_step,
    row_number() OVER day_of_lot AS step_no,
    product_code,
    equipment_id,
    qty,
    lag(qty) OVER day_of_lot - qty AS lost_qty,
    status,
    operator,
    note,
    created_at,
    updated_at,
    etl_partition
FROM latest
WINDOW day_of_lot AS (PARTITION BY etl_partition, lot_id ORDER BY created_at, id)
