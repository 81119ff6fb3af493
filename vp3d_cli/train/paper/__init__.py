"""The paper's training on recorded sequences, supervised and semi-supervised."""
