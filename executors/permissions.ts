/**
 * What a function that runs outside of the coordinator may do, in the words of Deno's permissions.
 *
 * @module
 */

/**
 * What a body may do besides using its links. What is not named is refused, without a question. `true` allows all of a kind.
 *
 * Relative paths are relative to where the coordinator stands.
 */
export interface Permissions {
  /** Which files and folders it may read: `["./models"]`. */
  readonly read?: true | readonly string[];
  /** Which files and folders it may write. */
  readonly write?: true | readonly string[];
  /** Which hosts it may talk to: `["api.example:443"]`. */
  readonly net?: true | readonly string[];
  /** Which variables of the environment it may read. No others are handed to it. */
  readonly env?: true | readonly string[];
  /** Which programs it may start. They may do all that this user may. */
  readonly run?: true | readonly string[];
  /** Which facts of the system it may ask for: `["hostname"]`. */
  readonly sys?: true | readonly string[];
  /** Which libraries of other languages it may load. They may do all that this user may. */
  readonly ffi?: true | readonly string[];
  /** From which hosts it may import modules, besides those that Deno trusts by itself. */
  readonly import?: true | readonly string[];
}

/** The kinds, in the order in which flags are given. */
const KINDS = ["read", "write", "net", "env", "run", "sys", "ffi", "import"] as const;

/** Kinds whose values are paths. */
const PATHS: ReadonlySet<string> = new Set(["read", "write", "ffi"]);

/**
 * The flags of `deno run` that allow what is declared.
 *
 * @param permissions What is declared.
 * @param base Where relative paths begin.
 * @returns The flags, in a fixed order: the same declaration gives the same flags.
 */
export function permissionFlags(permissions: Permissions, base: string): string[] {
  const flags: string[] = [];
  for (const kind of KINDS) {
    const allowed = permissions[kind];
    if (allowed === undefined || (allowed !== true && allowed.length === 0)) continue;
    if (allowed === true) flags.push(`--allow-${kind}`);
    else {
      const values = allowed.map((value) => PATHS.has(kind) ? absolute(value, base) : value);
      flags.push(
        `--allow-${kind}=${values.toSorted().join(",")}`,
      );
    }
  }
  return flags;
}

/**
 * What is wrong with a declaration.
 *
 * @param permissions What is declared.
 * @returns What is wrong, half a sentence each, with what to do.
 */
export function permissionFaults(permissions: Permissions): string[] {
  return Object.entries(permissions).flatMap(([kind, allowed]) => {
    if (!(KINDS as readonly string[]).includes(kind)) {
      return [`permissions of a kind "${kind}", which Deno does not have; use ${KINDS.join(", ")}`];
    }
    if (allowed === true) return [];
    if (!Array.isArray(allowed)) {
      return [`permissions.${kind} that are neither true nor a list; write a list`];
    }
    return allowed.filter((value) => value === "" || value.includes(",")).map((value) =>
      `${
        JSON.stringify(value)
      } in permissions.${kind}, which Deno cannot be told: it is empty or has a comma; name what holds it`
    );
  });
}

/** A path that does not depend on where somebody stands. */
function absolute(path: string, base: string): string {
  return path.startsWith("/") ? path : `${base}/${path}`;
}

/** What was refused. */
export interface Refusal {
  /** Which kind of permission. */
  readonly kind: keyof Permissions;
  /** Of what. Absent: of all. */
  readonly what: string | undefined;
}

/**
 * What Deno has refused, when an error says that it has.
 *
 * @param message The message of an error.
 * @returns What was refused; nothing when it says no such thing.
 */
export function refusalOf(message: string): Refusal | undefined {
  const [, kind, what] = /Requires (\w+) access(?: to "((?:[^"\\]|\\.)*)")?/.exec(message) ?? [];
  if (kind === undefined || !(KINDS as readonly string[]).includes(kind)) return undefined;
  return { kind: kind as keyof Permissions, what };
}

/**
 * What an error says, with what to declare when something was refused.
 *
 * @param message The message of an error.
 * @param task Whose body it was.
 * @returns The message, with what would allow it; the message as it is when nothing was refused.
 */
export function withAllowance(message: string, task: string): string {
  const refusal = refusalOf(message);
  if (!refusal) return message;
  const { kind, what } = refusal;
  const declaration = what === undefined ? `${kind}: true` : `${kind}: [${JSON.stringify(what)}]`;
  const denied = message.replace(/, run again with the --allow-\w+ flag/, "");
  return `${denied}; to allow it, add permissions: { ${declaration} } to task ${task}`;
}
