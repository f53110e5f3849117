"""Offers, in which workers describe their operations: discovery, checks, and a catalogue of all."""
