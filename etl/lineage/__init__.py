"""Column lineage: from which columns of its inputs a column is made, or why that is not known."""
