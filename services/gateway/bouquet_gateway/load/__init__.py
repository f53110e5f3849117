"""Protection against overload. Admission limits the requests that a process answers at a time, and bulkheads limit the
calls to each provider."""
