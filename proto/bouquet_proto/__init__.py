"""What both ends of the bus must agree on: messages, identities, failures, offers, names, deadlines, the bus itself."""
