"""HTTP server of the gateway: routes, endpoints, middlewares, responses, ports."""
