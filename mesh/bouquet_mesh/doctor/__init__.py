"""Checks shared by the `doctor` commands of gateway, worker and registry. A doctor command tries the servers and files
that the settings of a process name, and reports within seconds what works and what does not."""
# It leaves nothing on the broker but the reply exchange, which every gateway declares too. The queues that it declares
# exist already, or are deleted when it ends.
