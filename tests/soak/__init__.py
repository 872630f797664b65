"""The kill test: two tenants in one warehouse and one bucket, their processes killed at random moments.

Run it with `python -m tests.soak --rounds 200 --seed 1` (`make soak`), or as a test with fewer rounds (`test_soak.py`).
"""
