"""Checks shared by the `doctor` commands of gateway, worker and registry. A doctor command tries the servers and files
in a process's settings, and reports within seconds which of them work."""
# It leaves nothing on the broker but the reply exchange, which every gateway declares too. The queues that it declares
# exist already, or are deleted when it ends.
