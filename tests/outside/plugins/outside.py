"""Writes to the file $OUTSIDE_REPORT what became of each test, and how many memories were opened: none is no swap."""

import json
import os
from pathlib import Path

from agentmem import Memory

report = {"passed": [], "failed": [], "skipped": [], "deselected": [], "memories": 0}
open_memory = Memory.__init__


def counted(self, *args, **kwargs):
    report["memories"] += 1
    open_memory(self, *args, **kwargs)


Memory.__init__ = counted


def pytest_deselected(items):
    report["deselected"] += [item.nodeid for item in items]


def pytest_runtest_logreport(report: object):
    if report.when == "call" or report.outcome != "passed":
        became = globals()["report"]["skipped" if report.outcome == "skipped" else report.outcome]
        became.append(report.nodeid)


def pytest_sessionfinish():
    Path(os.environ["OUTSIDE_REPORT"]).write_text(json.dumps(report))
