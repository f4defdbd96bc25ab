"""What is measured and not tested: figures that depend on the machine. Each is a program of its own."""
