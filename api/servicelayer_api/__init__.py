"""The Neo Service Layer API: off-chain services for Neo N3 over HTTP."""
