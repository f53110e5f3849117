"""Keys that sign tokens, and their withdrawal."""
