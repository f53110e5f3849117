"""Archive, in the portal's database, of the last documents read from gateways: OpenAPI documents, lists of errors, and
the sandbox's cases. After a restart, pages show these documents until a gateway answers."""
