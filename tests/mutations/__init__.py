"""Places of the program that are broken one by one, each with the tests that must notice."""
