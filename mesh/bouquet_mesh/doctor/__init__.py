"""The checks that the `doctor` commands of gateway, worker and registry share.

A doctor checks everything that its process needs, with the settings of that process, and reports problems in words. It
leaves nothing on the broker but the reply exchange, which every gateway declares too. The queues that it declares exist
already, or are deleted when it ends. Rights on the broker are checked by doing what the process does when it starts.
Each check ends within seconds.
"""
