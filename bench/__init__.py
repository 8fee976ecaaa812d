"""Measurements that a user can repeat: `python -m bench recall --data DIR`, `python -m bench speed`."""
