"""Protection against overload: limits on the requests in a process (admission) and on the calls to each provider
(bulkheads)."""
