"""Texts of reminders and replies: templates compiled once, rendered by locale.

``template`` reads and compiles, ``vocabulary`` says which placeholders there are and what kind of
value each is, ``formats`` shows values as a locale does (CLDR's data, through Babel), ``catalogue``
finds the text for a subscriber.
"""
