"""Events of DataPass, the State's service in which administrations request habilitations. An event is a message about a
request, for instance that it was approved."""
