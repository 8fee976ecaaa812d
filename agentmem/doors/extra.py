"""
What a door says where the program that it opens to is not installed.
"""

from __future__ import annotations


def missing(host: str, extra: str) -> ImportError:
    """Return the error that names the command which installs *host*: the extra *extra* of this distribution."""
    return ImportError(f"{host} is not installed; run: pip install 'agentmem-sqlite[{extra}]'", name=host)
