"""Prepares and builds dbt projects, and checks what their tenant owns. No orchestrator is imported here."""
