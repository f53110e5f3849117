"""Documents that gateways publish: operations, errors, and the state of each API (such as out of service)."""
# This package does not use Django.
