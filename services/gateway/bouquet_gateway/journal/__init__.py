"""Access journal of the gateway: one record per call, spooled on disk and sent to the registry."""
