"""A page for each tenant, as files that can be given to its people: what is complete, promised, checked and rejected."""
