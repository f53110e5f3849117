"""Events of DataPass, the State's service in which administrations ask for habilitations. An event is a message about
such a request, for instance that it was approved."""
