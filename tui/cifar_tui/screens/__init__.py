"""The screens: each shows what it is given and turns keys into requests; what is true is known elsewhere."""
