"""What the service answers, as schemas of the OpenAPI document. Answers are made elsewhere and not checked again."""
