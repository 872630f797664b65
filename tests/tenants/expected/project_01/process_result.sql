-- Statistics by day, lot, step and parameter; product and machine from the same day's history of the lot.
WITH measured AS (
    SELECT DISTINCT lot_id, process_step, parameter, value, lower_limit, upper_limit, measured_at
    FROM src.process_result
),
statistics AS (
    SELECT
        measured_at::DATE AS etl_partition,
        lot_id,
        process_step,
        parameter,
        count(value) AS measurements,
        avg(value) AS mean_value,
        min(value) AS min_value,
        max(value) AS max_value,
        count(*) FILTER (WHERE value < lower_limit OR value > upper_limit) AS out_of_spec,
        max(measured_at) AS measured_at
    FROM measured
    GROUP BY ALL
),
history AS (
    SELECT
        created_at::DATE AS day,
        upper(trim(lot_id, ' ' || chr(12288))) AS lot,
        process_step AS step,
        arg_max(product_code, (updated_at, id)) AS product_code,
        arg_max(equipment_id, (updated_at, id)) AS equipment_id
    FROM src.lot_history
    WHERE lot_id IS NOT NULL
    GROUP BY ALL
)
SELECT
    lot_id, process_step, parameter, product_code, equipment_id, measurements, mean_value, min_value, max_value,
    out_of_spec, measured_at, etl_partition
FROM statistics
LEFT JOIN history ON day = etl_partition AND lot = lot_id AND step = process_step
