"""What was promised about a pipeline, judged over time. Knows no orchestrator."""
