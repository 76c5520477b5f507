/**
 * The modules that a module needs, as far as they lie on this machine, so that it can be carried elsewhere.
 *
 * @module
 */
import { DatataskError } from "../core/errors.ts";

/** Modules to carry. */
export interface ModuleGraph {
  /** Their texts, by their address. */
  readonly files: ReadonlyMap<string, string>;
  /** What names that are no addresses stand for. */
  readonly imports: ReadonlyMap<string, string>;
}

/** What `deno info --json` says. */
interface Info {
  readonly roots: readonly string[];
  readonly redirects?: Readonly<Record<string, string>>;
  readonly npmPackages?: Readonly<Record<string, NpmPackage>>;
  readonly modules: readonly {
    readonly specifier: string;
    readonly local?: string;
    readonly error?: string;
    readonly mediaType?: string;
    /** Of a package of npm. */
    readonly npmPackage?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string; readonly error?: string };
    }[];
  }[];
}

/** A package of npm, as far as it matters here. */
interface NpmPackage {
  readonly dependencies: readonly string[];
  /** Where this machine keeps it. */
  readonly localPath?: string;
}

/**
 * Finds the modules.
 *
 * @param address The address of a module.
 * @param deno The program of Deno.
 * @param config The configuration it lives under.
 * @returns The files of this machine, and what other names stand for. Packages of npm that need no others are among them; what else is of the net is left
 * where it is.
 * @throws {DatataskError} With code `cannot-start`, when one is missing or cannot be carried.
 */
export async function moduleGraph(
  address: string,
  deno: string,
  config: string | undefined,
): Promise<ModuleGraph> {
  const args = ["info", "--json", config === undefined ? "--no-config" : `--config=${config}`, address];
  const { stdout, stderr, success } = await new Deno.Command(deno, { args, env: { NO_COLOR: "1" } }).output();
  const text = new TextDecoder();
  const trouble = (what: string): DatataskError =>
    new DatataskError("cannot-start", `Cannot carry the module ${address}: ${what}`, {
      operation: "carry",
      subject: address,
    });
  if (!success) throw trouble(text.decode(stderr).trim());
  const info: Info = JSON.parse(text.decode(stdout));
  const modules = new Map(info.modules.map((module) => [module.specifier, module]));
  const files = new Map<string, string>();
  const imports = new Map<string, string>();
  const visit = async (specifier: string): Promise<void> => {
    const module = modules.get(info.redirects?.[specifier] ?? specifier);
    if (!module || files.has(specifier)) return;
    if (module.error) throw trouble(module.error);
    const entry = module.npmPackage && entryOf(info.npmPackages?.[module.npmPackage]);
    if (entry) {
      const inside = await moduleGraph(entry, deno, undefined);
      for (const [address, text] of inside.files) files.set(address, text);
      imports.set(specifier, entry);
      return;
    }
    if (!specifier.startsWith("file:")) return;
    if (module.mediaType === "Wasm") throw trouble(`${specifier} is no text`);
    const text = await Deno.readTextFile(module.local ?? new URL(specifier));
    // A shell lays it down.
    if (text.includes("\0")) throw trouble(`${specifier} holds a NUL character`);
    files.set(specifier, text);
    for (const { specifier: name, code } of module.dependencies ?? []) {
      if (code?.error) throw trouble(code.error);
      if (code?.specifier === undefined) continue;
      if (!/^(\.{0,2}\/|[a-z]+:)/.test(name)) {
        const before = imports.get(name);
        if (before !== undefined && before !== code.specifier) {
          throw trouble(`"${name}" stands for ${before} and for ${code.specifier}; use one of them`);
        }
        imports.set(name, code.specifier);
      }
      await visit(code.specifier);
    }
  };
  for (const root of info.roots) await visit(root);
  return { files, imports };
}

/** The address of the main module of a package that can be carried: modules of its own only, none of them CommonJS. */
function entryOf(found: NpmPackage | undefined): string | undefined {
  if (found?.localPath === undefined || found.dependencies.length > 0) return undefined;
  const { type, exports } = JSON.parse(Deno.readTextFileSync(`${found.localPath}/package.json`));
  const main = exports?.["."] ?? exports;
  const entry: unknown = main?.import ?? main?.default ?? main;
  if (type !== "module" || typeof entry !== "string") return undefined;
  return new URL(entry, `file://${found.localPath}/`).href;
}
