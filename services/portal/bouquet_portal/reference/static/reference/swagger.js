"use strict";
// Shows the OpenAPI file that the page names in Swagger UI. Calls are made in the console, not here: browsers may not
// call the gateway from this site.
const place = document.getElementById("swagger-ui");
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.url,
  deepLinking: true,
  docExpansion: "list",
  filter: true,
  defaultModelsExpandDepth: -1,
  supportedSubmitMethods: [],
  syntaxHighlight: { activated: false },
});
