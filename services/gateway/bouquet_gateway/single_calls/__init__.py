"""Calls that the gateway itself makes to its operations. Examples are the lookups of a dossier (several lookups in one
request)."""
