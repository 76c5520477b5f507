/** JSON Schema 2020-12, from ajv: the one place that names it. Imported lazily, by a computed address, and by nobody otherwise. */
export { Ajv2020, type ErrorObject, type ValidateFunction } from "npm:ajv@^8.17.0/dist/2020.js";
