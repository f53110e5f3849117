"""Dossiers: several lookups in one request. Each lookup is answered and recorded as a call of its own
(docs/adr/0019-dossiers.md)."""
