"""What a tenant's file may say, and what is said when it is wrong."""
