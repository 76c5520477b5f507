/**
 * Bodies of modules as scripts: a script that brings the module with it, or finds it where its worker has put it, and runs it in a Deno with the
 * permissions that its links imply.
 *
 * @module
 */
import { DatataskError } from "../core/errors.ts";
import { permissionFlags, type Permissions } from "../executors/permissions.ts";
import type { CarriedContext, CarriedLink, CarriedMany, CarriedValue } from "./carried/context.ts";
import { documents } from "./carried/documents.ts";
import type { Link, Links } from "./link.ts";
import { type Bundle, laidDown } from "./module_bundle.ts";
import { isMany } from "./process_links.ts";
import { quoteWord } from "./script.ts";

/** What is carried where. */
export interface CarriedPlan {
  /** The modules of the body. */
  readonly modules: () => Promise<Bundle>;
  /** The links of the task. */
  readonly links: Links;
  /** What it may do besides using its links. */
  readonly permissions: Permissions;
  /** The program of Deno where it runs. */
  readonly deno: string;
}

/** What the script of a body needs in order to speak to the agent. */
export interface ScriptAgent {
  /** The address, or `file:///…`, where it is found. */
  readonly address: string;
  /** What comes after the address. */
  readonly path: string;
  /** What opens its links. */
  readonly token: string;
  /** Certificates of the authorities that vouch for the agent, where the address needs them. */
  readonly authorities: string | undefined;
  /** Tells its last words about the agent from those of the body. */
  readonly mark: string;
  /** How long the agent is waited for, in milliseconds. */
  readonly patienceMs: number;
  /** Where the modules lie that the worker has fetched; nothing when there are none. */
  readonly modules: string | undefined;
}

/** What the script of a job is made from: as `ProcessContext`, with the links. */
type Seen = Omit<CarriedContext, "links"> & Readonly<Record<string, unknown>>;

/**
 * The script of a job that runs a body.
 *
 * @param plan What is carried where.
 * @param seen The job and its links.
 * @param agent How the body speaks to the agent, where it has to.
 * @returns The script.
 */
export async function carriedScript(
  plan: CarriedPlan,
  seen: Seen,
  agent: ScriptAgent | undefined,
): Promise<string> {
  const links = Object.fromEntries(
    Object.entries(plan.links).flatMap(([name, link]) => {
      if (isMany(link)) return [[name, carriedMany(link)]];
      return seen[name] === undefined ? [] : [[name, carriedLink(link, seen[name])]];
    }),
  );
  const speaks = agent && Object.values(links).some((link) => "view" in link);
  const { job, task, attempt, replica, quota } = seen;
  const context: CarriedContext = {
    job,
    task,
    attempt,
    replica,
    quota,
    links,
    ...(speaks && {
      agent: {
        path: agent.path,
        token: agent.token,
        mark: agent.mark,
        patienceMs: agent.patienceMs,
        file: fileOf(agent),
      },
    }),
  };
  const deno = quoteWord(plan.deno);
  const modules = agent?.modules;
  return [
    "#!/bin/sh",
    "set -e",
    `command -v ${deno} >/dev/null || { echo ${
      quoteWord(`There is no ${plan.deno} where this runs; install Deno there, or use an image that has it`)
    } >&2; exit 127; }`,
    "body=$PWD/.datatask-body; [ -w . ] || body=$(mktemp -d)",
    'mkdir -p "$body"',
    '[ -w "${HOME:-/nowhere}" ] || export DENO_DIR="$body/cache"',
    "export NO_COLOR=1 DENO_NO_UPDATE_CHECK=1",
    modules === undefined ? (await plan.modules()).text : `. ${quoteWord(modules)}`,
    // It holds what opens the links.
    `(umask 077; ${laidDown("context.json", JSON.stringify(context))}\n)`,
    ...(speaks ? finding(agent) : [laidDown("address.json", "null")]),
    `exec ${deno} run ${flags(plan.permissions, context).join(" ")} "$body/main.ts"`,
    "",
  ].join("\n");
}

/** Finds the address of the agent, which may be in a file, and says it to the body. */
function finding(agent: ScriptAgent): string[] {
  const { address, authorities } = agent;
  const file = fileOf(agent);
  return [
    file === undefined ? `agent=${quoteWord(address)}` : `IFS= read -r agent <${quoteWord(file)}`,
    `printf '"%s"' "$agent" >"$body/address.json"`,
    file === undefined ? `agent=${quoteWord(hostOf(address))}` : "agent=${agent#*://}",
    // The way to the same machine leads through no proxy.
    'export NO_PROXY="127.0.0.1,localhost,::1${NO_PROXY:+,$NO_PROXY}${no_proxy:+,$no_proxy}"',
    ...(authorities === undefined
      ? []
      : [laidDown("authorities.pem", authorities), 'export DENO_CERT="$body/authorities.pem"']),
  ];
}

/** The file where the address is found, where that may change. */
function fileOf({ address }: ScriptAgent): string | undefined {
  return address.startsWith("file://") ? decodeURIComponent(new URL(address).pathname) : undefined;
}

/** The host and the port of an address. */
function hostOf(address: string): string {
  const { hostname, port, protocol } = new URL(address);
  return `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
}

/** The options of Deno, as words for a shell that knows `$body` and `$agent`: what is declared, and what the links imply. */
function flags(
  permissions: Permissions,
  { links, agent, quota: { memory } }: CarriedContext,
): string[] {
  const places = Object.values(links).flatMap((link) =>
    "path" in link ? [link, ...Object.values(link.cokeyed)] : []
  );
  const paths = places.map(({ path }) => quoteWord(path));
  const written = places.filter(({ direction }) => direction === "out").map(({ path }) => quoteWord(path));
  // What is published while the body runs lies there on its way.
  const spool = Object.values(links).some((link) => "view" in link && link.view === "items")
    ? ['"$body/spool"']
    : [];
  const implied: Readonly<Record<string, readonly string[]>> = {
    read: [...paths, ...spool, ...agent?.file === undefined ? [] : [quoteWord(agent.file)]],
    write: [...written, ...spool],
    net: agent ? ['"$agent"'] : [],
  };
  const allowed = Object.keys(implied).flatMap((kind) => {
    const flag = `--allow-${kind}`;
    const [declared] = permissionFlags({ [kind]: permissions[kind as keyof Permissions] }, ".");
    if (declared === flag) return [flag];
    const words = [...declared ? [quoteWord(declared.slice(flag.length + 1))] : [], ...implied[kind]!];
    return words.length > 0 ? [`${flag}=${words.join(",")}`] : [];
  });
  const { read: _, write: __, net: ___, ...others } = permissions;
  return [
    "--no-prompt",
    "--quiet",
    ...(memory === undefined
      ? []
      : [`--v8-flags=--max-old-space-size=${Math.max(1, Math.floor(memory / 2 ** 20))}`]),
    ...allowed,
    ...permissionFlags(others, ".").map(quoteWord),
    '--config="$body/deno.json"',
  ];
}

/** A link to one value as it is carried. */
function carriedLink(link: Link, seen: unknown): CarriedLink {
  if (link.view !== "bound") return { document: documents.encode(seen).toBase64() };
  const cokeyed = Object.entries(link.cokeyed).map(([name, repository]) => {
    const at = (seen as Readonly<Record<string, unknown>>)[name];
    return [name, carriedValue(link, at, repository)] as const;
  });
  return { ...carriedValue(link, seen, link.repository), cokeyed: Object.fromEntries(cokeyed) };
}

function carriedValue({ direction }: Link, at: unknown, { kind, name }: Link["repository"]): CarriedValue {
  const { path, key } = at as { readonly path: string; readonly key: string };
  if (path.includes(",")) {
    throw new DatataskError(
      "cannot-start",
      `Cannot allow a body to use ${path}: Deno cannot be told of a path with a comma; use a state folder without one`,
      { operation: "start" },
    );
  }
  return { kind, repository: name, direction: direction === "in" ? "in" : "out", path, key, cokeyed: {} };
}

/** A link to many values as it is carried. */
function carriedMany({ repository, view, cokeyed, items }: Link): CarriedMany {
  const { kind, name } = repository;
  return {
    kind,
    repository: name,
    view: view as CarriedMany["view"],
    keys: items?.keys,
    cokeyed: Object.fromEntries(
      Object.entries(cokeyed).map(([other, { kind, name }]) => [other, { kind, repository: name }]),
    ),
  };
}
