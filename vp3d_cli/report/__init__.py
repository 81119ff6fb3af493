"""Is it any good? What a result says about its own quality, in numbers, plots and plain words."""
