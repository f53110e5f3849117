"""Calls of operations that the gateway makes itself, for example for each lookup of a dossier (several lookups in one
request)."""
