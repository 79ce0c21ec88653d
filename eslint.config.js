import js from "@eslint/js";

// What a log holds is hostile: text never becomes HTML or script.
const NEVER = "text of a log is shown with textContent, never as HTML";

export default [
  js.configs.recommended,
  {
    files: ["tuner/board/static/**/*.js"],
    languageOptions: {
      ecmaVersion: 2022,
      sourceType: "module",
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      // tsc knows which names there are.
      "no-undef": "off",
      eqeqeq: "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-console": ["error", { allow: ["warn", "error"] }],
      "no-script-url": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: NEVER },
        { property: "outerHTML", message: NEVER },
        { property: "insertAdjacentHTML", message: NEVER },
        { object: "document", property: "write", message: NEVER },
      ],
    },
  },
];
