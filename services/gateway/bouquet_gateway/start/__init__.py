"""Start of a gateway: building its parts, one process or several, embedded workers."""
