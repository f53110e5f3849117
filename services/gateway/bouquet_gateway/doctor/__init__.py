"""`bouquet-gateway doctor`: looks a deployment over with the gateway's own settings, and says in words what is wrong.

It changes nothing: it declares passively, and what it makes (a reply queue, a file in the spool) goes with it. Each
look ends within seconds.
"""
