/** Tar archives, from modern-tar: the one place that names it. Import it lazily. */
export { createTarDecoder, createTarPacker, type TarHeader } from "npm:modern-tar@^0.8.6";
