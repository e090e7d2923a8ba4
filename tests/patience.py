"""How long tests wait for what must come."""

DEADLINE_S = 30.0  # only what fails waits so long: generous, because every core is busy with other tests
