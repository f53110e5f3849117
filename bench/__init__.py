"""Benchmarks of Bouquet, beside the broker's own limit and alternative frameworks."""
