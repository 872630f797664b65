"""Judges over time whether the promises about a pipeline are kept. This package imports no orchestrator."""
