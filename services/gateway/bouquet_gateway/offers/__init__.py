"""Offers: the descriptions of operations that workers send. The gateway requests and checks offers, and makes a
catalogue of all offered operations."""
