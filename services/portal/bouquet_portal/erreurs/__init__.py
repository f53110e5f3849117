"""Error codes: a list, and a page for each code."""
