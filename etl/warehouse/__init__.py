"""Where published rows are loaded: one transaction a load, with its entry in the ledger."""
