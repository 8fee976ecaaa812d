"""`python -m agentmem` is the command line."""

from .doors.cli import main

main()
