"""Mistakes that people make in a tenant's file, each with the answer that they should get and the repair.

One module a section of the file; `case` says how to read a case. `tests/config/test_broken.py` tries them all.
"""
