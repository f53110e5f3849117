"""Last documents of gateways, stored in the portal's database. After a restart, pages show these documents while no
gateway answers."""
