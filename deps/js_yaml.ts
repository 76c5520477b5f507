/** YAML, from js-yaml: the one place that names it. */
export { dump, load } from "npm:js-yaml@^5.0.0";
