"""A tenant's life: it is exported, imported, renamed, retired and erased, and one person's rows are erased."""
