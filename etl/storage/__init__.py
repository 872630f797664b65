"""Where rows live: the tenant's database, the lake of Parquet objects and the warehouse."""
