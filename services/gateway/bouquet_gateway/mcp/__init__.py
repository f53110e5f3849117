"""Model Context Protocol: messages, protocol versions, and tools made from the offered operations
(docs/adr/0023-mcp.md)."""
