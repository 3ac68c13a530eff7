"""All that wants a GPU to be checked, in parts that each run in a process of their own."""
