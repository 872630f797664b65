"""dbt projects end to end: parsed, loaded, run by Dagster, killed and run again."""
