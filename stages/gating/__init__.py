"""The gate: which questions of a chat are sent on as they are, and which have to be rewritten first."""
