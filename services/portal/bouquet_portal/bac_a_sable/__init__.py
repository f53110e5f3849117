"""Sandbox explorer: invented people, every error, a console to call, and a form that checks a proposed case."""
