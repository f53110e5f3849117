"""What anybody may read: documents, pings, readiness."""
