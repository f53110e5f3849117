"""Pages of the sandbox: its invented people, the console, dossiers (several lookups in one request) and proposed test
cases."""
