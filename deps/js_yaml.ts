/** YAML, from js-yaml: the one place that names it. */
export { CORE_SCHEMA, dump, load, YAMLException } from "npm:js-yaml@^5.0.0";
