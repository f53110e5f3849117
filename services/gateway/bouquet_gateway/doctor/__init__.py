"""`bouquet-gateway doctor`: looks a deployment over with the gateway's own settings (bouquet_mesh.doctor)."""
