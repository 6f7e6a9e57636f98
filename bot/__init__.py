"""Front doors: they translate what comes in, render what goes out, and decide nothing."""
