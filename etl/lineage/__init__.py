"""Column lineage: from which columns a column is made, by a query's text or as declared; or why it is unknown."""
