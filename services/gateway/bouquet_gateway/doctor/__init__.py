"""Examination of a deployment by the command `bouquet-gateway doctor`, with the settings of the gateway."""
