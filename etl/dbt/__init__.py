"""dbt projects: prepared, built, and held to what their tenant owns. No orchestrator is imported here."""
