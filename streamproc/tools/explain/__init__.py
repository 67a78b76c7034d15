"""Why something was decided about one subscriber: a timeline from the topics that a worker
writes."""
