"""A tenant's own unit tests: rows in, rows and rejected rows out, by the real transform and the real rules."""
