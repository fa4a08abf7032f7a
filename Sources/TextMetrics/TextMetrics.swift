// Metrics of generated texts beside reference texts.
