"""Public site of Bouquet, rendered on the server from gateways' documents and from content files."""
