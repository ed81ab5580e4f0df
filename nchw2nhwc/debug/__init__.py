"""Finding out what is wrong: an earlier result against its source, the first op that is off, single ops as fixtures, what a model holds.

Like `conversion`, these modules see all stages.
"""
