"""Compares what a tenant defines now with what was applied before, and says what the difference will do."""
