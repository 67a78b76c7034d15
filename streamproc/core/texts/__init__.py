"""Texts of reminders and replies: templates compiled once, rendered by locale.

``template`` reads and compiles. ``core/rules/placeholders.py`` lists the placeholders and their
kinds of value. ``formats`` shows values as a locale does (data of CLDR, through Babel).
``catalogue`` finds the text for a subscriber.
"""
