"""Tries out a tenant's own Python in a process of its own, before it is imported beside the other tenants.

Belongs here: which tenants have Python of their own, the trial, and what a tenant's Python may not change. Not here:
building definitions (`etl.definitions`), the configuration that is served instead (`etl.last_good`).

This is not a sandbox: a tenant's Python is trusted code. A mistake in it must not reach the other tenants.
"""
