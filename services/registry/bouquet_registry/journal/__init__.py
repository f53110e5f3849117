"""The access journal: written by its worker, chained, and read by operators (docs/adr/0010)."""
