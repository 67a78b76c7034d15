"""The common task of ``perf.compare`` as users of other stream processors would write it.

Every peer takes the same arguments (bootstrap, application id, input topic, reminder topic, events
in the input, directory for state), prints ``first`` when its first event reaches it, and asks for
a commit when it has seen the last, so that no commit interval is counted as work.
"""
