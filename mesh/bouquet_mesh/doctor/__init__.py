"""What the doctors of gateway, worker and registry share. Each looks over what its process needs, with that process's
own settings, and says in words what is wrong.

They change nothing: what they declare is there already, or goes with them. Rights on the broker are shown by the real
start of what needs them, not by a second list of declarations. Each look ends within seconds.
"""
