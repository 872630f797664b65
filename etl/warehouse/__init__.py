"""Loads published rows into warehouses: each load is one transaction, with its entry in the ledger."""
