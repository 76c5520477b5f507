/**
 * Finding and loading the module of a pipeline.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { loadError, shortAddress } from "./load_error.ts";

/** The names that are looked for. */
const NAMES = ["pipeline.ts", "pipeline.js"];

/** The folder of this package, as an address. */
const BASE = new URL("../", import.meta.url).href;

/** A module to load. */
export interface Found {
  /** Its address. */
  readonly address: string;
  /** What messages call it. */
  readonly name: string;
}

/**
 * Finds the module of the pipeline.
 *
 * @param wanted What `-p` says, if it was given.
 * @returns Its address.
 * @throws {UsageError} When there is none.
 */
export async function findPipeline(wanted: string | undefined): Promise<Found> {
  const cwd = currentFolder();
  if (wanted !== undefined) return await named(wanted, cwd);
  const set = fromEnvironment();
  if (set !== undefined) return await named(set, cwd, " (from $DATATASK_PIPELINE)");
  for (let folder = cwd;; folder = folder.slice(0, folder.lastIndexOf("/"))) {
    for (const name of NAMES) {
      if (await isFile(`${folder}/${name}`)) {
        return { address: fileAddress(`${folder}/${name}`), name: `${folder}/${name}` };
      }
    }
    if (!folder.includes("/")) break;
  }
  throw new UsageError(
    `Cannot find a pipeline: there is no ${
      NAMES.join(" or ")
    } in ${cwd} or above; go to its folder, or name it with -p FILE`,
  );
}

function currentFolder(): string {
  try {
    const cwd = slashes(Deno.cwd());
    return cwd === "/" ? "" : cwd;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new UsageError("Cannot find the current folder; run again with --allow-read (or -A)", {
      cause: error,
    });
  }
}

/** A path with `/`, also where the system writes it with another sign. */
function slashes(path: string): string {
  return Deno.build.os === "windows" ? path.replaceAll("\\", "/") : path;
}

function fromEnvironment(): string | undefined {
  try {
    return Deno.env.get("DATATASK_PIPELINE") || undefined;
  } catch {
    return undefined;
  }
}

async function named(given: string, cwd: string, from = ""): Promise<Found> {
  if (/^(https?|file|jsr|npm|data):/.test(given)) return { address: given, name: given };
  const isAbsolute = Deno.build.os === "windows" ? /^([a-z]:)?[\\/]/i.test(given) : given.startsWith("/");
  const path = isAbsolute ? slashes(given) : `${cwd}/${slashes(given)}`;
  if (await isFile(path)) return { address: fileAddress(path), name: given };
  for (const name of NAMES) {
    const inside = `${path.replace(/\/$/, "")}/${name}`;
    if (await isFile(inside)) return { address: fileAddress(inside), name: inside };
  }
  const isFolder = await Deno.stat(path).then((info) => info.isDirectory, () => false);
  throw new UsageError(
    isFolder
      ? `Cannot load ${given}${from}: it is a folder without ${NAMES.join(" or ")}; name the file`
      : `Cannot load ${given}${from}: there is no such file; check the path`,
  );
}

function fileAddress(path: string): string {
  const address = new URL("file:///");
  address.pathname = (path.startsWith("/") ? path : `/${path}`).replaceAll("%", "%25").replaceAll(
    "\\",
    "%5C",
  );
  return address.href;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new UsageError(
        `Cannot look for ${path}: no permission to read; run again with --allow-read (or -A, for all permissions)`,
        { cause: error },
      );
    }
    return false;
  }
}

/**
 * Finds a module that is named on the command line.
 *
 * @param given Its path or address.
 * @returns Its address.
 * @throws {UsageError} When there is none.
 */
export function findModule(given: string): Promise<Found> {
  return named(given, currentFolder());
}

/**
 * Loads a module.
 *
 * @param found The module.
 * @returns What it exports.
 * @throws {UsageError} When it cannot be loaded.
 */
export async function importModule(found: Found): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await import(found.address);
  } catch (error) {
    throw loadError(error, nameOf(found), BASE, currentFolder());
  }
}

/**
 * What messages call a module.
 *
 * @param found The module.
 * @returns Its path, as short as it can be, or its address.
 */
export function nameOf({ address, name }: Found): string {
  return address.startsWith("file:") ? shortAddress(address, currentFolder()) : name;
}

/**
 * Loads a pipeline.
 *
 * @param found The module.
 * @returns The pipeline that it exports, by default or as `pipeline`.
 * @throws {UsageError} When it cannot be loaded, or exports none.
 */
export async function loadPipeline(found: Found): Promise<Pipeline> {
  const module = await importModule(found);
  const name = nameOf(found);
  // Computed, so that the library is loaded by the module of the pipeline, and not before it.
  const library = new URL("../pipeline/pipeline.ts", import.meta.url).href;
  const { isPipeline }: typeof import("../pipeline/pipeline.ts") = await import(library);
  for (const value of [module.default, module.pipeline]) if (isPipeline(value)) return value;
  const names = Object.keys(module).filter((key) => key !== "default" || module.default !== undefined);
  const others = names.filter((key) => isPipeline(module[key]));
  throw new UsageError(
    others.length > 0
      ? `Cannot use ${name}: its pipeline is exported as "${others[0]}"; add  export default ${others[0]};`
      : `Cannot use ${name}: it exports no pipeline${
        names.length > 0 ? ` (only ${names.join(", ")})` : ""
      }; end it with  export default new Pipeline({ tasks: [...] });`,
  );
}
