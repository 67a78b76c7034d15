"""SMPP 3.4 as the dispatcher needs it: texts to parts, a session, delivery receipts.

``smpp34`` (pinned, behind ``messages``) encodes and decodes PDUs. Its own client is not used, for
three reasons. It acknowledges a delivery receipt before we can store it. It has no timers that
Python can set. It raises the same error for an unanswered submit, a lost session and a submit that
was never written. But "at most once" depends on the difference between these. See
docs/dispatcher.md, "Choosing the SMPP library".
"""
