"""What was decided about one subscriber, and why: a timeline from the topics a worker writes."""
