"""Pages of the sandbox: the explorer, the console and proposed cases."""
