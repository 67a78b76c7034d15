"""aiokafka's builders of record batches, for whoever hands batches to another client."""

from __future__ import annotations

from aiokafka.record.default_records import (
    DefaultRecordBatchBuilder as CompiledBatchBuilder,
)
from aiokafka.record.default_records import (
    _DefaultRecordBatchBuilderPy as PythonBatchBuilder,
)

__all__ = ["CompiledBatchBuilder", "PythonBatchBuilder"]
