"""Last documents of gateways, in the portal's database: pages have them after a restart while no gateway answers."""
