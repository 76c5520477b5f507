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
  readonly modules: readonly {
    readonly specifier: string;
    readonly local?: string;
    readonly error?: string;
    readonly mediaType?: string;
    readonly dependencies?: readonly {
      readonly specifier: string;
      readonly code?: { readonly specifier?: string; readonly error?: string };
    }[];
  }[];
}

/**
 * Finds the modules.
 *
 * @param address The address of a module.
 * @param deno The program of Deno.
 * @param config The configuration it lives under.
 * @returns The files of this machine, and what other names stand for. Modules of the net are left where they are.
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
    if (!specifier.startsWith("file:")) return;
    if (module.mediaType === "Wasm") throw trouble(`${specifier} is no text`);
    files.set(specifier, await Deno.readTextFile(module.local ?? new URL(specifier)));
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
