"""Minimal programs built on Bouquet's libraries. Their costs are lower bounds for Bouquet's own."""
