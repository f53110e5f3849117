"""Minimal programs built on the same libraries as Bouquet. Their costs show the least that Bouquet can cost."""
