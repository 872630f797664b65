"""The engines, one file for each engine; an engine is imported only when it is chosen."""
