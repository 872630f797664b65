"""Examines an installation for `etl doctor`: what is left over, full, old, silent or of another release.

Belongs here: one file for each place that is examined. Not here: whether tenants are configured well (`etl check`),
whether data is right (`etl verify`).
"""
