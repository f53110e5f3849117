"""Single calls: calls of one operation that the gateway makes for another request, such as a dossier (several lookups
in one request) or a tool of the Model Context Protocol."""
