"""`bouquet-gateway doctor`: examines a deployment with the gateway's own settings (bouquet_mesh.doctor)."""
