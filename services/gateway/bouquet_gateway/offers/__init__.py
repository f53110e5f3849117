"""Offers of workers: discovery, checks, and the catalogue of what is served."""
