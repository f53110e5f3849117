"""Minimal programs on the libraries that Bouquet uses, as lower bounds of its cost."""
