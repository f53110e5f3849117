"""Documents that gateways publish: operations, errors and states of APIs. This package does not use Django."""
