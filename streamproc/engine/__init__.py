"""What Faust lacks, in a form that could be a library of its own; nothing here knows of quotas.

Batched delivery, a table held per partition as packed rows with bulk changelog and bulk recovery,
one transaction per partition and commit, safe recovery order, revocation that finishes work first,
and a due queue per partition.
"""
