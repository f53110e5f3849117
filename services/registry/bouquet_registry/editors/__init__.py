"""Software editors, their tokens, and the habilitations that are delegated to them."""
