"""From bytes and form fields to a request that may become a job."""
