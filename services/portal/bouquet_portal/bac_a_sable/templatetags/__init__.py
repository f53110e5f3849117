"""Template filters of the sandbox explorer."""
