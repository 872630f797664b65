"""The conventions that definitions and Python files must keep, as rules by name, and reports of what breaks them."""
