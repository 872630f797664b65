"""What Dagster's event log says of finished runs, for the tools of operators: spans of OpenTelemetry, OpenLineage."""
