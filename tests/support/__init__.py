"""What tests of several folders share: servers that they start for themselves, and the mesh, in parts or whole."""
