// What esbuild lets through and a reader's browser does not: names that nothing defines; and those that nothing uses.
const globals = require("globals");

// What a page of the book has from Sphinx.
const page = { DOCUMENTATION_OPTIONS: "readonly", MathJax: "readonly" };

module.exports = [
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    languageOptions: { globals: { ...globals.browser, ...globals.worker, ...page } },
    rules: { "no-undef": "error", "no-unused-vars": ["error", { ignoreRestSiblings: true }] },
  },
];
