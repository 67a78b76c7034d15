"""The demo: all parts at work on a simulated month, watched live, and compared at the end.

It starts a worker as its users do, feeds it a seeded workload, sends what comes out to a phone on
the screen, and lets the oracle compute from the written input what had to come out.
"""

from streamproc.lab.demo.run import run_demo
from streamproc.lab.demo.settings import DemoSettings

__all__ = ["DemoSettings", "run_demo"]
