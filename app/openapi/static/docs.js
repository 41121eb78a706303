// Swagger UI for the contract of the service that served this page; no external validator.
SwaggerUIBundle({
  dom_id: "#api",
  url: "/openapi.json",
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
});
