"""Archive, in the portal's database, of the last documents read from gateways, such as OpenAPI documents. After a
restart, pages show these documents until a gateway answers."""
