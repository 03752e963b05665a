"""A page in the browser to try a trained model: give one image, see the people that it finds, on this machine only."""
