"""Events of DataPass, the State's service in which administrations ask for habilitations. An event is a message about
what has happened to such a request."""
