"""The pure core: no clock, no chance, no input or output. Time, chance and answers arrive as facts."""
