"""Software editors (companies whose software calls for administrations), their tokens, and the habilitations delegated
to them."""
