"""What a pipeline reads: one module for each kind of database. Callers use `etl.source.reading`."""
