"""An independent second computation of what a log of records must lead to."""
