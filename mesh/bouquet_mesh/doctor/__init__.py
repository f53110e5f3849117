"""Checks that the `doctor` commands of gateway, worker and registry share. A doctor tries what its process needs,
with the same settings, and reports problems in words. Each check ends within seconds."""
# It leaves nothing on the broker but the reply exchange, which every gateway declares too. The queues that it declares
# exist already, or are deleted when it ends.
