"""The common task of ``perf.compare`` on ``streamproc.engine`` alone: no core, no contracts."""
