"""Archive of the last documents of gateways, in the portal's database. After a restart, pages show these documents
until a gateway answers."""
