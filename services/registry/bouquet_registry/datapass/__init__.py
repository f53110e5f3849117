"""Events of DataPass, the State's service in which administrations ask for habilitations."""
