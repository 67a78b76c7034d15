"""Reading messages as a customer does, and holding them to the account that the oracle keeps.

``play.py`` lets a life happen and collects every outgoing message with the states of the account at
its instant; ``reading.py`` parses a rendered text back to figures, by its template; ``figures.py``
says what each figure must be; ``claims.py`` what words must be true; ``checks.py`` joins them;
``debts.py`` sees to it that what must be told is; ``lives.py`` and ``rules.py`` make lives, and
rules to live under, ``probes.py`` texts that carry every placeholder.
"""
