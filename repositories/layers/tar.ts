/**
 * Reading and writing tar archives: loaded with the first.
 *
 * @module
 */
export { expand } from "./expand.ts";
export { TarEntries } from "./tar_entries.ts";
export { writeTar } from "./tar_writer.ts";
