"""What is read and written: sources, images, times, tags, containers, encoders, outputs."""
