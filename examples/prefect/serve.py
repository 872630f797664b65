"""Serves the daily check from this process: `python serve.py`. No work pool is needed; Ctrl-C ends it."""

from flows.quality import daily_quality_flow

if __name__ == "__main__":
    daily_quality_flow.serve(
        name="served-daily-check",
        cron="0 6 * * *",
        parameters={"path": "data/orders.parquet", "block_name": "production-quality"},
    )
