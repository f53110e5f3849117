"""Editors' requests to be listed: a form, an e-mail address confirmed by a link, and entries kept for operators."""
