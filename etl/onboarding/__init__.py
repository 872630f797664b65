"""Makes a tenant from a database: reads its catalogue and a sample, and proposes pipelines with reasons."""
