"""Documents that gateways publish: operations, errors and states. Nothing in this package knows Django."""
