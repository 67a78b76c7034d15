"""Reads messages as a customer does, and compares them with the account that the oracle keeps.

- ``play.py`` plays a life and collects every outgoing message with the states of the account at its
  instant.
- ``reading.py`` parses a rendered text back to figures, by its template.
- ``figures.py`` says what each figure must be, ``claims.py`` which words must be true.
- ``checks.py`` joins them. ``owed_messages.py`` checks that every necessary message was sent.
- ``lives.py`` and ``rules.py`` generate lives and rules, ``probes.py`` texts with every
  placeholder.
"""
