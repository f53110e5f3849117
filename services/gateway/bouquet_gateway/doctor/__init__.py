"""Examination of a deployment by `bouquet-gateway doctor`, with the gateway's own settings."""
