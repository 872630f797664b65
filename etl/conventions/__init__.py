"""The conventions that all definitions must keep: groups, tiers, kinds, tags and names."""
