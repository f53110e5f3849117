"""Start of a gateway: its services, its processes, and the workers that run in its process."""
