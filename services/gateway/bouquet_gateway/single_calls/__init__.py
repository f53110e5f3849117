"""Calls that the gateway itself makes to its operations. A dossier (several lookups in one request), for example, leads
to one call for each lookup."""
