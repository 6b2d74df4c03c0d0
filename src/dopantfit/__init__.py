"""From DFT frames of a dopant to a verdict on doping a solid electrolyte's grain boundary with it."""
