"""Other frameworks that Bouquet is compared with. They have their own Python environment:
bench/peers/requirements.txt."""
