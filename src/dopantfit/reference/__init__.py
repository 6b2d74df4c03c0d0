"""DFT frames: made, read, verified and split."""
