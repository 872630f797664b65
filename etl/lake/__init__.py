"""Parquet objects: drafted, verified, published in one step, and read back; in a local folder or in a bucket."""
