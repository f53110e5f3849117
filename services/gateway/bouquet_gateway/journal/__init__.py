"""Access journal of the gateway. Each call leaves a record, which waits in a spool on disk until it is sent to the
registry."""
