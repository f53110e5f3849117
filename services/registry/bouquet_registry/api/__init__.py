"""Internal HTTP API of the registry, which the command `bouquet-registry api` serves."""
