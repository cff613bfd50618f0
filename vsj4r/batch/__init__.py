"""Many files: cut into chunks, encoded by one process or many machines, joined, resumed."""
