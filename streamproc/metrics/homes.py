"""All homes of metrics: docs/metrics.md lists what they declare."""

from __future__ import annotations

from streamproc.metrics.canary import CanaryMetrics
from streamproc.metrics.declaring import Metrics
from streamproc.metrics.dispatch import DispatchMetrics
from streamproc.metrics.tool import ToolMetrics
from streamproc.metrics.worker import WorkerMetrics

HOMES: tuple[type[Metrics], ...] = (WorkerMetrics, DispatchMetrics, ToolMetrics, CanaryMetrics)
