"""A page for each tenant, as files to be given to its people: what is complete, promised, checked and rejected."""
