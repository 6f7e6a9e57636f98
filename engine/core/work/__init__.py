"""Small state machines: things that are begun by one fact and ended by another."""
