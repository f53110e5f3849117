"""Dossiers: several lookups in one request, each answered as a call of its own (docs/adr/0019-dossiers.md)."""
