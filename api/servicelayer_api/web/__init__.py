"""What every request passes: problems, probes, metrics, CORS, request ids, strict decoding."""
