"""The access journal: records of calls, chained by their hashes (docs/adr/0010)."""
