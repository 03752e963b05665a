"""How fast training is on this machine, what a step holds, computes and moves, and what surrounds it."""
