"""What Faust lacks. It could be a library of its own: nothing here knows about quotas.

It has batched delivery; a table that each partition holds as packed rows, with bulk changelog and
bulk recovery; one transaction per partition and commit; a safe order of recovery; a revocation that
finishes its work first; and a due queue per partition.
"""
