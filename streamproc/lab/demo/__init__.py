"""The demo: all parts at work on a simulated month, shown live, with a comparison at the end.

It starts a worker as users do, sends it a seeded workload, and shows the reminders on a phone on
the screen. The oracle calculates the expected results from the written input.
"""

from streamproc.lab.demo.run import run_demo
from streamproc.lab.demo.settings import DemoSettings

__all__ = ["DemoSettings", "run_demo"]
