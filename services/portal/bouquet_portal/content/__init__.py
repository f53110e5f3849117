"""Prose of the portal: Markdown files with YAML front matter, and what reads and checks them."""
