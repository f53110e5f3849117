"""Checks that the `doctor` commands of gateway, worker and registry share. A doctor tries, with the settings of its
process, everything that this process needs, and reports problems in words within seconds."""
# It leaves nothing on the broker but the reply exchange, which every gateway declares too. The queues that it declares
# exist already, or are deleted when it ends.
