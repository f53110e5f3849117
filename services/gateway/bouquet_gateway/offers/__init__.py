"""Offers, in which workers say what they can be asked: discovery, checks, and the catalogue made of all offers."""
