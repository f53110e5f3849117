"""Protection against overload: admission control, and bulkheads between providers."""
