"""Escalations: questions to people, and the ladders they climb until somebody proves awake."""
