"""Public pages of the gateway: OpenAPI, list of errors, health of resources, readiness."""
