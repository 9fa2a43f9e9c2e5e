"""The HTTP face: the OpenAI audio API, jobs, health and the dashboard."""
