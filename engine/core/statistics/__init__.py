"""Sequential statistics: evidence that may be looked at after every event, and still bounds its errors."""
