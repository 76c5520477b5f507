/**
 * Bodies of modules as scripts: a script that brings the module with it, and runs it in a Deno with the permissions that its links imply.
 *
 * @module
 */
import { DatataskError } from "../core/errors.ts";
import { permissionFlags, type Permissions } from "../executors/permissions.ts";
import type { CarriedContext, CarriedLink } from "./carried/context.ts";
import type { Link, Links } from "./link.ts";
import { configOf } from "../executors/workers/config.ts";
import { moduleGraph } from "./module_graph.ts";

/** What is carried where. */
export interface CarriedPlan {
  /** The address of the module. */
  readonly module: string;
  /** The links of the task. */
  readonly links: Links;
  /** What it may do besides using its links. */
  readonly permissions: Permissions;
  /** The program of Deno where it runs. */
  readonly deno: string;
}

/** What the script of a job is made from: as `ProcessContext`, with the links. */
type Seen = Omit<CarriedContext, "links"> & Readonly<Record<string, unknown>>;

/**
 * Makes scripts that run a body.
 *
 * @param plan What is carried where.
 * @returns Makes the script of a job. The modules are read once.
 */
export function carriedScript(plan: CarriedPlan): (seen: Seen) => Promise<string> {
  let carrying: Promise<string> | undefined;
  return async (seen) => {
    carrying ??= carriedModules(plan.module);
    carrying.catch(() => carrying = undefined);
    const links = Object.fromEntries(
      Object.entries(plan.links).flatMap(([name, link]) =>
        seen[name] === undefined ? [] : [[name, carriedLink(link, seen[name])]]
      ),
    );
    const { job, task, attempt, replica, quota } = seen;
    const context: CarriedContext = { job, task, attempt, replica, quota, links };
    const memory = quota.memory;
    const words = [
      plan.deno,
      "run",
      "--no-prompt",
      "--quiet",
      ...(memory === undefined
        ? []
        : [`--v8-flags=--max-old-space-size=${Math.max(1, Math.floor(memory / 2 ** 20))}`]),
      ...permissionFlags(withLinks(plan.permissions, links), "."),
    ].map(quote).join(" ");
    return [
      "#!/bin/sh",
      "set -e",
      `command -v ${quote(plan.deno)} >/dev/null || { echo ${
        quote(`There is no ${plan.deno} where this runs; install Deno there, or use an image that has it`)
      } >&2; exit 127; }`,
      "body=$PWD/.datatask-body; [ -w . ] || body=$(mktemp -d)",
      '[ -w "${HOME:-/nowhere}" ] || export DENO_DIR="$body/cache"',
      "export NO_COLOR=1 DENO_NO_UPDATE_CHECK=1",
      await carrying,
      file("context.json", JSON.stringify(context)),
      `exec ${words} --config="$body/deno.json" "$body/main.ts"`,
      "",
    ].join("\n");
  };
}

/** A link as it is carried. */
function carriedLink(link: Link, seen: unknown): CarriedLink {
  if (link.view !== "bound") return { kind: "itself", value: seen };
  const placed = (at: unknown, { kind, name }: Link["repository"]) => {
    const { path, key } = at as { readonly path: string; readonly key: string };
    if (path.includes(",")) {
      throw new DatataskError(
        "cannot-start",
        `Cannot allow a body to use ${path}: Deno cannot be told of a path with a comma; use a state folder without one`,
        { operation: "start" },
      );
    }
    const direction = link.direction === "in" ? "in" as const : "out" as const;
    return { kind, repository: name, direction, path, key };
  };
  const cokeyed = Object.fromEntries(
    Object.entries(link.cokeyed).map(([name, repository]) => {
      const at = (seen as Readonly<Record<string, unknown>>)[name];
      return [name, { ...placed(at, repository), cokeyed: {} }];
    }),
  );
  return { ...placed(seen, link.repository), cokeyed };
}

/** What the links imply: to read inputs, and to read and write outputs. */
function withLinks(permissions: Permissions, links: CarriedContext["links"]): Permissions {
  const places = Object.values(links).flatMap((link) =>
    link.kind === "itself" ? [] : [link, ...Object.values(link.cokeyed)]
  ).flatMap((link) => link.kind === "itself" ? [] : [link]);
  const add = (declared: Permissions["read"], paths: readonly string[]): Permissions["read"] =>
    declared === true ? true : [...declared ?? [], ...paths];
  return {
    ...permissions,
    read: add(permissions.read, places.map(({ path }) => path))!,
    write: add(permissions.write, places.filter((link) => link.direction === "out").map(({ path }) => path))!,
  };
}

/** The part of the script that lays the modules down. */
async function carriedModules(module: string): Promise<string> {
  const main = new URL("./carried/main.ts", import.meta.url).href;
  const deno = Deno.execPath();
  // One after the other: the user's first, which may be wrong.
  const graphs = [
    await moduleGraph(module, deno, configOf(module)),
    await moduleGraph(main, deno, configOf(main)),
  ];
  const files = new Map(graphs.flatMap((graph) => [...graph.files]));
  const imports = Object.fromEntries(
    graphs.flatMap((graph) => [...graph.imports]).map(([name, address]) => [name, carriedAddress(address)]),
  );
  const entry = [
    `import * as module from ${JSON.stringify(carriedAddress(module))};`,
    `import { main } from ${JSON.stringify(carriedAddress(main))};`,
    `import context from "./context.json" with { type: "json" };`,
    "await main(context, module);",
  ].join("\n");
  const paths = [...files].map(([address, text]) => [carriedAddress(address).slice(2), text] as const);
  const folders = new Set(paths.map(([path]) => path.slice(0, path.lastIndexOf("/"))));
  return [
    ...[...folders].map((folder) => `mkdir -p "$body"/${quote(folder)}`),
    ...paths.map(([path, text]) => file(path, text)),
    file("main.ts", entry),
    file("deno.json", JSON.stringify({ imports, lock: false, nodeModulesDir: "none" })),
  ].join("\n");
}

/** Where a module is found once it was carried. */
function carriedAddress(address: string): string {
  return address.startsWith("file:") ? `./modules${decodeURIComponent(new URL(address).pathname)}` : address;
}

/** Lays a file down. */
function file(path: string, text: string): string {
  const end = `END_${crypto.randomUUID().replaceAll("-", "")}`;
  return `cat >"$body"/${quote(path)} <<'${end}'\n${text}\n${end}`;
}

function quote(word: string): string {
  return /^[\w./:=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
