/**
 * Why a module could not be loaded, on one line: what, where in the user's own file, and what to do about it.
 *
 * @module
 */
import { isDatataskError, UsageError } from "../core/errors.ts";

// deno-lint-ignore no-control-regex -- the platform colors its messages
const ESCAPES = /\x1b\[[0-9;]*m/g;
const PLACE = /(?:at |\()(?:async )?((?:file|https?|jsr):[^\s()]+?):(\d+):(\d+)\)?/;

/** An address as a person would write it: a path below or near this folder, else the address. */
export function shortAddress(address: string, cwd: string): string {
  if (!address.startsWith("file:")) return address;
  const path = decodeURIComponent(new URL(address).pathname);
  if (path.startsWith(`${cwd}/`)) return path.slice(cwd.length + 1);
  return path;
}

function lineOf(text: string, cwd: string): string | undefined {
  const match = PLACE.exec(text);
  return match ? `${shortAddress(match[1]!, cwd)}:${match[2]}:${match[3]}` : undefined;
}

/** The first place in a stack that is not in datatask itself. */
function userPlace(error: Error, base: string, cwd: string): string | undefined {
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const own = frames.filter((line) => !line.includes(base) && PLACE.test(line) && !/\bext:/.test(line));
  return own.length > 0 ? lineOf(own[0]!, cwd) : undefined;
}

function firstLine(text: string): string {
  return text.split("\n")[0]!.trim().replace(/[.:]$/, "");
}

/** What is wrong and what to do, from what the platform says of a module that it could not load. */
function diagnose(message: string, cwd: string): string {
  const missing = /^Module not found "([^"]+)"/.exec(message);
  if (missing) return `it imports ${shortAddress(missing[1]!, cwd)}, which is not there; correct the import`;
  const bare = /^(?:Import|Relative import path) "([^"]+)"/.exec(message);
  if (bare) {
    return `it imports "${bare[1]}", a name that needs an import map; write npm:${bare[1]}, jsr:${
      bare[1]
    } or a path, or add --config with the deno.json that has it`;
  }
  const access = /^Requires (\S+) access to (.+?), run again with the (--allow-\S+) flag/.exec(message);
  if (access) {
    return `it needs ${access[1]} access to ${access[2]}; run again with ${
      access[3]
    } (or -A, for all permissions)`;
  }
  const syntax = /^(?:SyntaxError: )?([^\n]+)/.exec(message);
  if (message.startsWith("SyntaxError: ")) {
    return `a syntax error: ${firstLine(syntax![1]!)}; correct it there`;
  }
  if (message.startsWith("Attempted to load JSON module")) {
    return "it is JSON, and a pipeline is a module; name a .ts or .js file";
  }
  const failed = /^Import '([^']+)' failed/.exec(message);
  if (failed) {
    const reason = /\n\s+0: ([^\n]+)/.exec(message)?.[1] ?? "it could not be fetched";
    return `${failed[1]} could not be fetched (${reason}); check the address and the network`;
  }
  return firstLine(message);
}

/**
 * The error for a module that could not be loaded.
 *
 * @param error What the import threw.
 * @param name The module as the person wrote it.
 * @param base The address of datatask itself, whose frames are not shown.
 * @param cwd The current folder, for short paths.
 * @returns The error.
 */
export function loadError(error: unknown, name: string, base: string, cwd: string): UsageError {
  const start = `Cannot load ${name}`;
  if (!(error instanceof Error)) {
    return new UsageError(
      `${start}: it threw ${JSON.stringify(error)} while it was loading; throw an Error there`,
      {
        cause: error,
      },
    );
  }
  const message = error.message.replace(ESCAPES, "");
  const isModuleTrouble = (error as { code?: string }).code === "ERR_MODULE_NOT_FOUND";
  if (isModuleTrouble || error instanceof SyntaxError) {
    const place = lineOf(message.slice(message.search(/\bat (?:file|https?|jsr):/)), cwd);
    const text = diagnose(message.replace(/ at (?:file|https?|jsr):\S+$/, ""), cwd);
    return new UsageError(`${start}${place ? ` (${place})` : ""}: ${text}`, { cause: error });
  }
  const place = userPlace(error, base, cwd);
  const where = place ? ` (${place})` : "";
  if (isDatataskError(error)) return new UsageError(`${start}${where}: ${message}`, { cause: error });
  const text = error instanceof Deno.errors.NotCapable
    ? diagnose(message, cwd)
    : `it threw ${error.name}: ${firstLine(message)}; correct it there`;
  return new UsageError(`${start}${where}: ${text}`, { cause: error });
}
