/**
 * Who one is to a registry: given in code, or as `docker login` has left it.
 *
 * @module
 */
import { RegistryFault } from "./fault.ts";

/** Who one is to a registry. */
export type RegistryCredentials =
  | { readonly username: string; readonly password: string }
  | {
    /** A token that the registry's token service takes in place of a password (`identitytoken`). */
    readonly identityToken: string;
  }
  | {
    /** A bearer token that the registry itself takes. */
    readonly bearerToken: string;
  };

/** Credentials, and where they came from, for errors. Never shows the secret. */
export interface FoundCredentials {
  /** The credentials. */
  readonly credentials: RegistryCredentials;
  /** Where they came from: `"credentials" given in code`, `/root/.docker/config.json`. */
  readonly source: string;
}

interface DockerConfig {
  readonly auths?: Record<
    string,
    { readonly auth?: string; readonly identitytoken?: string; readonly registrytoken?: string }
  >;
  readonly credHelpers?: Record<string, string>;
  readonly credsStore?: string;
}

/**
 * Where Docker keeps logins: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
 *
 * @returns The path, or nothing when neither variable may be read or is set.
 */
export function dockerConfigPath(): string | undefined {
  const folder = variable("DOCKER_CONFIG");
  if (folder) return `${folder}/config.json`;
  const home = variable("HOME") ?? variable("USERPROFILE");
  return home && `${home}/.docker/config.json`;
}

function variable(name: string): string | undefined {
  try {
    return Deno.permissions.querySync({ name: "env", variable: name }).state === "granted"
      ? Deno.env.get(name)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The login that Docker has for a registry, as Docker itself would find it: the helper of the host, then the store of all logins, then
 * the file. Without the permission to look there is none, and `hints` tells which was missing.
 *
 * @param host Of which registry, with its port.
 * @param path Of `config.json`.
 * @param signal When to stop.
 * @param hints Takes what kept it from looking.
 * @returns The login, or nothing.
 * @throws {RegistryFault} When the file or a helper's answer cannot be understood.
 */
export async function dockerCredentials(
  host: string,
  path: string | undefined,
  signal: AbortSignal | undefined,
  hints: string[],
): Promise<FoundCredentials | undefined> {
  if (path === undefined) return void hints.push("--allow-env=DOCKER_CONFIG,HOME");
  if ((await Deno.permissions.query({ name: "read", path })).state !== "granted") {
    return void hints.push(`--allow-read=${path}`);
  }
  let config: DockerConfig;
  try {
    config = JSON.parse(await Deno.readTextFile(path)) as DockerConfig;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    // What a parser says shows a part of the text, which may be a secret.
    const broken = error instanceof SyntaxError;
    throw new RegistryFault(
      "denied",
      `the logins in ${path} cannot be read: ${
        broken ? "it is no JSON" : (error as Error).message
      }; repair it, or pass \`credentials\``,
      broken ? {} : { cause: error },
    );
  }
  const names = host === "docker.io"
    ? ["https://index.docker.io/v1/", "index.docker.io", "docker.io"]
    : [host, `https://${host}`, `http://${host}`];
  const helper = names.map((name) => config.credHelpers?.[name]).find(Boolean) ?? config.credsStore;
  if (helper) {
    const found = await askHelper(helper, names, signal, hints);
    if (found) return found;
  }
  for (const name of names) {
    const entry = config.auths?.[name] ?? config.auths?.[`${name}/v1/`];
    if (entry?.identitytoken) return { credentials: { identityToken: entry.identitytoken }, source: path };
    if (entry?.registrytoken) return { credentials: { bearerToken: entry.registrytoken }, source: path };
    if (entry?.auth) return { credentials: splitLogin(entry.auth, path), source: path };
  }
  return undefined;
}

/** The user ends at the first colon: a password may hold more of them. */
function splitLogin(auth: string, path: string): RegistryCredentials {
  try {
    const text = new TextDecoder().decode(Uint8Array.from(atob(auth), (c) => c.charCodeAt(0))).replace(
      /\0+$/,
      "",
    );
    const colon = text.indexOf(":");
    if (colon > 0) return { username: text.slice(0, colon), password: text.slice(colon + 1) };
  } catch {
    // Told below: what is no base64 is no login either.
  }
  throw new RegistryFault(
    "denied",
    `a login in ${path} is damaged; run "docker login" again, or pass \`credentials\``,
  );
}

async function askHelper(
  helper: string,
  names: readonly string[],
  signal: AbortSignal | undefined,
  hints: string[],
): Promise<FoundCredentials | undefined> {
  const program = `docker-credential-${helper}`;
  if ((await Deno.permissions.query({ name: "run", command: program })).state !== "granted") {
    return void hints.push(`--allow-run=${program}`);
  }
  for (const name of names) {
    const answer = await runHelper(program, name, signal);
    if (answer === undefined) continue;
    const { Username, Secret } = answer;
    return {
      credentials: Username === "<token>"
        ? { identityToken: Secret }
        : { username: Username, password: Secret },
      source: program,
    };
  }
  return undefined;
}

async function runHelper(
  program: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly Username: string; readonly Secret: string } | undefined> {
  let child: Deno.ChildProcess;
  try {
    const command: Deno.CommandOptions = { args: ["get"], stdin: "piped", stdout: "piped", stderr: "piped" };
    if (signal) command.signal = signal;
    child = new Deno.Command(program, command).spawn();
  } catch (error) {
    throw new RegistryFault(
      "denied",
      `the credential helper ${program} cannot be started; install it, or pass \`credentials\``,
      { cause: error },
    );
  }
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(name)).then(() => writer.close()).catch(() => {});
  const { success, stdout, stderr } = await child.output();
  signal?.throwIfAborted();
  const text = new TextDecoder().decode(stdout);
  if (success) {
    try {
      return JSON.parse(text);
    } catch {
      throw new RegistryFault(
        "denied",
        `the credential helper ${program} gave no login in JSON; see what "${program} get" says, or pass \`credentials\``,
      );
    }
  }
  const said = `${text} ${new TextDecoder().decode(stderr)}`.trim();
  if (/not found/i.test(said)) return undefined;
  throw new RegistryFault(
    "denied",
    `the credential helper ${program} failed (${said.slice(0, 200)}); repair it, or pass \`credentials\``,
  );
}
