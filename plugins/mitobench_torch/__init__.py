"""What the torch-based plugins share: devices, weights loading, the errors of both. A library; it registers nothing."""
