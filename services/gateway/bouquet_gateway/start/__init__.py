"""Start of a gateway: its parts, its processes, and embedded workers."""
