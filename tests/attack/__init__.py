"""Tests that attack the product from outside: YAML, the `etl` and `dagster` commands, and the files that come out.

Belongs here: what a user or an attacker can do without reading the code. Not here: calls of the product's own functions.
"""
