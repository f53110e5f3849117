"""The registry's internal HTTP API: `bouquet-registry api`."""
