"""KPIs of autonomy: figures folded from the journal's facts, beside the state that decides, never in it."""
