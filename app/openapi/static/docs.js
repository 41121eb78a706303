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
  syntaxHighlight: { activated: false }, /* its colours have too little contrast */
  plugins: [accessible],
});

/* Parts of Swagger UI that a keyboard or a screen reader cannot use (WCAG 2.1.1, 4.1.2). */
function accessible({ React }) {
  const element = React.createElement;
  return {
    components: {
      /* a link within a button; the address follows what is open anyway */
      DeepLink: ({ text }) => element("span", { className: "nostyle" }, text),
      /* a list without a label of the one server that there is */
      ServersContainer: () => null,
      /* the only content of a button */
      CloseIcon: () => element("span", { role: "img", "aria-label": "Close" }, "×"),
      /* what scrolls takes the focus */
      PlainTextViewer: ({ className = "", children }) =>
        element("pre", { className: `microlight ${className}`, tabIndex: 0 }, children),
    },
    wrapComponents: {
      ExamplesSelect: (Original) => (props) => element("label", null, element(Original, props)),
    },
  };
}
