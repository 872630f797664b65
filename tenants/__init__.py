"""The tenants: one folder each. What the folders hold is configuration, transforms and demo data, no product code."""
