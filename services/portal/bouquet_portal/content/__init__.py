"""Texts of the portal (Markdown files with YAML front matter), and the code that reads and checks these files."""
