"""What the operator wrote in the rules file, ready for use."""
