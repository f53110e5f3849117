"""Public information that the gateway gives without a token: OpenAPI document, list of errors, health of resources,
readiness."""
