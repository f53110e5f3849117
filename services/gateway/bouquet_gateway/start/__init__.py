"""Start of a gateway: settings to parts, one process or several, embedded workers."""
