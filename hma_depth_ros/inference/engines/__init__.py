"""What runs the network: runtimes, their files, and the choice between them."""
