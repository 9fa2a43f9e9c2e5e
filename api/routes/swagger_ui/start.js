// Shows the API of the very server that the page comes from, whatever address its document names for others.
const spec = await (await fetch("/openapi.json")).json();
spec.servers = [{url: "/"}];
SwaggerUIBundle({
  spec,
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null, // or the document would be sent to another site
});
