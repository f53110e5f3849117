"""Protection against overload: limits on the requests in flight in a process (admission), and on the calls in flight to
each provider (bulkheads)."""
