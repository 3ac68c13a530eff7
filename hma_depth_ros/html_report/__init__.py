"""One self-contained web page of an evaluation, a training run, a bag or a benchmark."""
