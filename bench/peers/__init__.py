"""Other frameworks that Bouquet is compared with. They run in a Python environment of their own:
bench/peers/requirements.txt."""
