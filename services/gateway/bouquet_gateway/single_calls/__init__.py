"""Calls of operations that the gateway makes itself to answer one request, such as each lookup of a dossier (several
lookups in one request) or a tool call of the Model Context Protocol."""
