"""The access journal: records of calls, in a chain in which each record contains the hash of the previous one
(docs/adr/0010)."""
