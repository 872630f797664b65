"""What a stage does, in plain Python: extract, transfer, load. No orchestrator is imported here."""
