"""How fast Bouquet is, beside the broker's own ceiling and the frameworks one would take otherwise."""
