"""What runs in production, and the files that start it: processes, users, variables, folders; backup and restore."""
