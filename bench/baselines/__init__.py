"""What Bouquet is measured against, made of the libraries that it is made of: how little it could cost."""
