"""What Dagster's event log says of ended runs, sent to receivers: spans of OpenTelemetry, OpenLineage events."""
