"""The grain boundary: sintered, divided into domains, doped, and its dopant moved by relaxed-swap Monte Carlo."""
