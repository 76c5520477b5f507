/**
 * What a request asks for, read strictly: what is not exactly one of ours is refused, before anything is looked up.
 *
 * @module
 */
import { isKey } from "../core/key.ts";
import { Refusal } from "./refusal.ts";

/** What a request of an attempt asks for. */
export type WorkRoute =
  | { readonly to: "in" | "digest"; readonly link: string; readonly key: string | undefined }
  | { readonly to: "feed"; readonly link: string; readonly after: string }
  | { readonly to: "keys"; readonly link: string }
  | { readonly to: "out"; readonly link: string }
  | { readonly to: "items"; readonly link: string; readonly name: string }
  | { readonly to: "files"; readonly path: string };

/** What a request asks for. */
export type Route = { readonly to: "health" } | { readonly to: "metrics" } | WorkRoute;

/** The longest name of an item, in bytes. */
const LONGEST_NAME = 255;

/** Which methods a route takes. */
const METHODS: Readonly<Record<Route["to"], readonly string[]>> = {
  health: ["GET", "HEAD"],
  metrics: ["GET", "HEAD"],
  in: ["GET", "HEAD"],
  digest: ["GET"],
  feed: ["GET"],
  keys: ["GET"],
  out: ["PUT", "HEAD"],
  items: ["PUT", "HEAD"],
  files: ["GET", "HEAD"],
};

/**
 * Reads what a request asks for.
 *
 * @param method Its method.
 * @param target Its target, as it was sent.
 * @param id The name of this agent, which all paths but `/health` and `/metrics` begin with.
 * @returns What it asks for.
 * @throws {Refusal} When it is none of ours.
 */
export function parseTarget(method: string, target: string, id: string): Route {
  const [path, query] = split(target);
  const parts = path.slice(1).split("/").map(decodePart);
  const own = parts[0] === id;
  // The name of an item is a name on the worker and a word to us: nothing is called so here.
  for (const part of own && parts[1] === "items" ? parts.slice(0, 3) : parts) checkPart(part);
  const route = toRoute(own ? parts.slice(1) : parts, own, query);
  const methods = METHODS[route.to];
  if (!methods.includes(method)) {
    throw new Refusal(405, `Cannot ${method} there; use ${methods.join(" or ")}`, {
      Allow: methods.join(", "),
    });
  }
  return route;
}

function split(target: string): [path: string, query: string | undefined] {
  if (!target.startsWith("/") || target.includes("#")) throw malformed("the target is no path");
  const at = target.indexOf("?");
  return at === -1 ? [target, undefined] : [target.slice(0, at), target.slice(at + 1)];
}

/** A part of a path, decoded once. What could name something else to somebody who decodes or joins it again is refused. */
function decodePart(part: string): string {
  let text: string;
  try {
    text = decodeURIComponent(part);
  } catch {
    throw malformed("a part of the path is no UTF-8");
  }
  if (text === "" || text === "." || text === "..") {
    throw malformed(`the path has a part ${JSON.stringify(text)}`);
  }
  if (/[/\0]/.test(text)) throw malformed("a part of the path holds a character that it may not");
  return text;
}

function checkPart(part: string): void {
  // deno-lint-ignore no-control-regex
  if (/[\\\x01-\x1f\x7f]/.test(part)) {
    throw malformed("a part of the path holds a character that it may not");
  }
}

function toRoute(parts: readonly string[], own: boolean, query: string | undefined): Route {
  const [to, link, key] = parts;
  if (to === "feed" && own && parts.length === 2) {
    return { to, link: link!, after: cursorOf(query) };
  }
  if (query !== undefined) throw malformed("only a feed takes a query");
  if ((to === "health" || to === "metrics") && parts.length === 1) return { to };
  if (own && (to === "in" || to === "digest") && (parts.length === 2 || parts.length === 3)) {
    if (key !== undefined && !isKey(key)) throw malformed(`${JSON.stringify(key)} is no key`);
    return { to, link: link!, key };
  }
  if (own && (to === "keys" || to === "out") && parts.length === 2) return { to, link: link! };
  if (own && to === "items" && parts.length === 3) {
    if (new TextEncoder().encode(key).length > LONGEST_NAME) {
      throw malformed(`the name of an item has at most ${LONGEST_NAME} bytes`);
    }
    return { to, link: link!, name: key! };
  }
  if (own && to === "files" && parts.length > 1) return { to, path: parts.slice(1).join("/") };
  throw new Refusal(
    404,
    "There is nothing at this address; see that it is the one that the worker was given",
  );
}

function cursorOf(query: string | undefined): string {
  if (query === undefined) return "";
  const match = /^after=([A-Za-z0-9-]*)$/.exec(query);
  if (!match) throw malformed("a feed takes the query after=CURSOR and no other");
  return match[1]!;
}

function malformed(why: string): Refusal {
  return new Refusal(400, `The request is refused: ${why}`);
}
