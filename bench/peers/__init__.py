"""Alternative frameworks, which run in an environment of their own: bench/peers/requirements.txt."""
