"""What a platform asks of all definitions: groups, tiers, kinds, tags and names."""
