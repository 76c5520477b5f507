/**
 * Who one is to the registries that images come from, as `docker login` has left it.
 *
 * @module
 */
import { ExecutorError } from "../../core/errors.ts";
import { dockerFolder } from "./endpoint.ts";

/** A login, as the engine takes it. */
export interface EngineLogin {
  readonly username?: string;
  readonly password?: string;
  readonly identitytoken?: string;
  readonly serveraddress: string;
}

interface DockerConfig {
  readonly auths?: Readonly<Record<string, { readonly auth?: string; readonly identitytoken?: string }>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

/**
 * The registry of an image: `docker.io` when its name begins with none.
 *
 * @param image The name of the image.
 * @returns The host, with its port.
 */
export function registryOf(image: string): string {
  const first = image.includes("/") ? image.slice(0, image.indexOf("/")) : "";
  return /[.:]/.test(first) || first === "localhost" ? first : "docker.io";
}

/**
 * Finds the login for an image: the helper of its registry, then the store of all logins, then the file.
 *
 * @param image The name of the image.
 * @param path Of `config.json`. Default: where the `docker` command keeps it.
 * @returns The login; nothing when there is none, or this process may not look.
 * @throws {ExecutorError} When the file or a helper's answer cannot be understood.
 */
export async function findLogin(image: string, path?: string): Promise<EngineLogin | undefined> {
  const folder = dockerFolder();
  const file = path ?? (folder && `${folder}/config.json`);
  if (file === undefined) return undefined;
  if (Deno.permissions.querySync({ name: "read", path: file }).state !== "granted") return undefined;
  let config: DockerConfig;
  try {
    config = JSON.parse(await Deno.readTextFile(file)) as DockerConfig;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    // What a parser says shows a part of the text, which may be a secret.
    if (error instanceof SyntaxError) throw damaged(`${file} is no JSON`);
    throw damaged(`${file} cannot be read: ${(error as Error).message}`, error);
  }
  const host = registryOf(image);
  const names = host === "docker.io"
    ? ["https://index.docker.io/v1/", "index.docker.io", "docker.io"]
    : [host, `https://${host}`, `http://${host}`];
  const helper = names.map((name) => config.credHelpers?.[name]).find(Boolean) ?? config.credsStore;
  if (helper !== undefined) {
    for (const name of names) {
      const login = await ask(`docker-credential-${helper}`, name);
      if (login) return login;
    }
  }
  for (const name of names) {
    const entry = config.auths?.[name];
    if (entry?.identitytoken) return { identitytoken: entry.identitytoken, serveraddress: name };
    if (entry?.auth) return { ...split(entry.auth, file), serveraddress: name };
  }
  return undefined;
}

function damaged(what: string, cause?: unknown): ExecutorError {
  return new ExecutorError(
    "cannot-start",
    `Cannot find a login: ${what}; repair it, or run "docker login" again`,
    {
      operation: "log in",
      cause,
    },
  );
}

/** The user ends at the first colon: a password may hold more of them. */
function split(auth: string, file: string): { readonly username: string; readonly password: string } {
  try {
    const text = new TextDecoder().decode(Uint8Array.from(atob(auth), (c) => c.charCodeAt(0)));
    const colon = text.indexOf(":");
    if (colon > 0) {
      return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, "") };
    }
  } catch {
    // What is no base64 is no login either.
  }
  throw damaged(`a login in ${file} is damaged`);
}

async function ask(program: string, server: string): Promise<EngineLogin | undefined> {
  if (Deno.permissions.querySync({ name: "run", command: program }).state !== "granted") return undefined;
  let output: Deno.CommandOutput;
  try {
    const child = new Deno.Command(program, {
      args: ["get"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(server)).then(() => writer.close()).catch(() => {});
    output = await child.output();
  } catch (error) {
    throw damaged(`the credential helper ${program} cannot be started (${(error as Error).message})`, error);
  }
  const said = new TextDecoder().decode(output.stdout);
  if (!output.success) {
    if (/not found/i.test(said + new TextDecoder().decode(output.stderr))) return undefined;
    throw damaged(`the credential helper ${program} failed`);
  }
  try {
    const { Username, Secret } = JSON.parse(said) as { Username: string; Secret: string };
    return Username === "<token>"
      ? { identitytoken: Secret, serveraddress: server }
      : { username: Username, password: Secret, serveraddress: server };
  } catch {
    throw damaged(`the credential helper ${program} gave no login in JSON`);
  }
}
