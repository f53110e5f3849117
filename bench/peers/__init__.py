"""The frameworks one would otherwise take. They run in an environment of their own: bench/peers/requirements.txt."""
