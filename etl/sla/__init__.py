"""Service levels: what is promised about a pipeline, and whether it is kept. Knows no orchestrator."""
