"""How one kind of database is read: one module per driver. Callers use `etl.storage.source`, which picks."""
