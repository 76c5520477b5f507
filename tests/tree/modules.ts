/**
 * The modules of this package and what each imports, as Deno sees them.
 *
 * @module
 */
import { ROOT } from "../../tools/entries.ts";

/** A module and what it imports. */
export interface Module {
  /** Its path from the root, or its specifier when it is not ours. */
  readonly name: string;
  /** What it imports, statically or by a literal `import()`, types included. */
  readonly imports: readonly string[];
  /** What it imports at run time. */
  readonly code: readonly string[];
  /** What it imports at run time as soon as it is loaded: without `import()`. */
  readonly eager: readonly string[];
}

interface Info {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
      readonly isDynamic?: boolean;
    }[];
  }[];
}

/**
 * All modules that some files reach.
 *
 * @param files Paths from the root.
 * @returns The modules, by name.
 */
export async function modulesOf(files: readonly string[]): Promise<ReadonlyMap<string, Module>> {
  const folder = await Deno.makeTempDir();
  try {
    const main = `${folder}/main.ts`;
    await Deno.writeTextFile(main, files.map((file) => `import "${new URL(file, ROOT).href}";`).join("\n"));
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", new URL("deno.json", ROOT).pathname, main],
      stderr: "inherit",
    }).output();
    if (!success) throw new Error("deno info failed");
    const info: Info = JSON.parse(new TextDecoder().decode(stdout));
    const found = new Map<string, Module>();
    for (const { specifier, dependencies = [], error } of info.modules) {
      if (specifier.endsWith("/main.ts") && specifier.includes(folder)) continue;
      if (error) throw new Error(`${specifier}: ${error}`);
      const code = dependencies.flatMap((each) => each.code?.specifier ?? []).map(nameOf);
      const types = dependencies.flatMap((each) => each.type?.specifier ?? []).map(nameOf);
      const eager = dependencies.filter((each) => !each.isDynamic)
        .flatMap((each) => each.code?.specifier ?? []).map(nameOf);
      const name = nameOf(specifier);
      found.set(name, { name, code, eager, imports: [...new Set([...code, ...types])] });
    }
    return found;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function nameOf(specifier: string): string {
  return specifier.startsWith(ROOT.href) ? specifier.slice(ROOT.href.length) : specifier;
}

/**
 * Everything that a module reaches at run time.
 *
 * @param modules All modules.
 * @param from Where to begin.
 * @param how Whether what a literal `import()` names is followed too (`code`), or not (`eager`).
 * @returns Names, the first included.
 */
export function reach(
  modules: ReadonlyMap<string, Module>,
  from: string,
  how: "code" | "eager" = "code",
): ReadonlySet<string> {
  const seen = new Set<string>([from]);
  for (const name of seen) for (const next of modules.get(name)?.[how] ?? []) seen.add(next);
  return seen;
}
