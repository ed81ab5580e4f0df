"""What a network remembers from one run to the next is an input and an output of the result, whose caller hands it on.

Feed an input called `state_in/...` with what the network starts with (zeros, mostly) at first, then with the output of the same name behind
`state_out/` of the run before.
"""

from __future__ import annotations

STATE_IN, STATE_OUT = "state_in/", "state_out/"
"""What the names of these inputs and outputs begin with, in front of the variable's name."""
