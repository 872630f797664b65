"""Parquet objects: drafted, verified, published in one step and read back; on a local folder or in a bucket."""
