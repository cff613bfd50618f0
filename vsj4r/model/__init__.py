"""The network in the order of the paper's Figure 4, in torch: for training, export and CUDA only."""
