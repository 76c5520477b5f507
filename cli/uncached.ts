/**
 * What to say when a part of this package is not there: parts are loaded when they are needed, and an image may have no network then.
 *
 * @module
 */

/** Where this package lies. */
const BASE = new URL("../", import.meta.url).href;

/**
 * What a person is told.
 *
 * @param error Why a module could not be loaded.
 * @param base Where this package lies.
 * @returns The text, or nothing when the error is about something else.
 */
export function uncachedText(error: unknown, base: string = BASE): string | undefined {
  const text = error instanceof Error ? error.message : "";
  const address = /^Specifier not found in cache: "([^"]+)"/.exec(text)?.[1] ??
    /^Import '([^']+)' failed/.exec(text)?.[1];
  if (!address?.startsWith(base)) return undefined;
  const [, name, version] = /^https?:\/\/[^/]+\/(@[^/]+\/[^/]+)\/([^/]+)\/$/.exec(base) ?? [];
  const all = name ? `jsr:${name}@${version}/offline` : `${base}cli/offline.ts`;
  return `Cannot load ${
    address.slice(base.length)
  } of this package, which is not in Deno's cache; where there is a network run: deno cache ${all}`;
}
