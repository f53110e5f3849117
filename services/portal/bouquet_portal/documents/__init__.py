"""Documents that gateways publish: operations, errors and states. This package does not use Django."""
