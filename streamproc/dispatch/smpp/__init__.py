"""SMPP 3.4 as the dispatcher needs it: texts to parts, a session, delivery receipts.

PDUs are encoded and decoded by ``smpp34`` (pinned). Its own client is not used: it acknowledges a
delivery receipt before we can keep it, has no timers to set from Python, and reports an unanswered
submit, a lost session and a submit that was never written as one and the same error. The promise of
at most once rests on telling these apart. See docs/dispatcher.md, "Choosing the SMPP library".
"""
