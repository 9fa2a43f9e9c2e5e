"""Routes for those who run the service: metrics and workers."""
