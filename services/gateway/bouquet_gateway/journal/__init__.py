"""Access journal of the gateway: one record of each call, spooled on disk and sent to the registry."""
