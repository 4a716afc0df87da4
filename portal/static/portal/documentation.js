// Starts Swagger UI; a file of its own because the content security policy allows no inline script.
"use strict";

SwaggerUIBundle({
  url: document.getElementById("documentation").dataset.schema,
  dom_id: "#documentation",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  // The validator badge would ask a server elsewhere.
  validatorUrl: null,
});
