"""A live page of what workers, dispatchers and a canary say of themselves."""
