/**
 * Registries for tests: the one that is up, and ones of their own with logins, certificates and faults.
 *
 * @module
 */
import { RegistryClient, type RegistryOptions } from "../../../repositories/docker_registry/mod.ts";
import { needs } from "../../../testing/needs.ts";
import { freePort, OwnProcess } from "../../kit/own_process.ts";

export const registry = needs("registry");
const program = needs("registry-program");

/** The login that registries with logins take: `htpasswd -Bbn -C 4 alice 's3:cr:et'`. */
export const ALICE = { username: "alice", password: "s3:cr:et" };
const HTPASSWD = "alice:$2y$04$l25Nx0t3fvwz7Yqn0GuofeZ/puBix8Ig4knX3sB/vTMd4Nl3DdMcC\n";

/** A client of the registry that is up, and an image repository that nobody else has. */
export function fresh(options: RegistryOptions = {}): { client: RegistryClient; repository: string } {
  return {
    client: new RegistryClient(registry.get("REGISTRY_URL"), options),
    repository: `test/${crypto.randomUUID()}`,
  };
}

/** A registry of one's own. */
export interface OwnRegistry {
  readonly url: string;
  readonly host: string;
  readonly dir: string;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  start(): Promise<void>;
}

/** How a registry of one's own is made. */
export interface OwnOptions {
  readonly dir?: string;
  readonly login?: boolean;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly deletes?: boolean;
  /** More lines of its configuration. */
  readonly more?: string;
}

/** Starts a registry; it is stopped and its data removed with the stack. */
export async function ownRegistry(
  stack: AsyncDisposableStack,
  options: OwnOptions = {},
): Promise<OwnRegistry> {
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.writeTextFile(`${dir}/htpasswd`, HTPASSWD);
  const port = freePort();
  const lines = [
    "version: 0.1",
    "log: {level: error, accesslog: {disabled: true}}",
    `storage: {filesystem: {rootdirectory: ${dir}/data}, delete: {enabled: ${options.deletes ?? true}}}`,
    "http:",
    `  addr: 127.0.0.1:${port}`,
    ...options.tls ? [`  tls: {certificate: ${options.tls.cert}, key: ${options.tls.key}}`] : [],
    ...options.login ? [`auth: {htpasswd: {realm: tests, path: ${dir}/htpasswd}}`] : [],
    options.more ?? "",
  ];
  await Deno.writeTextFile(`${dir}/config.yml`, lines.join("\n"));
  const server = new OwnProcess(program.get("REGISTRY_PROGRAM"), ["serve", `${dir}/config.yml`], port);
  stack.defer(() => server.kill());
  await server.start();
  const host = `127.0.0.1:${port}`;
  return {
    url: `${options.tls ? "https" : "http"}://${host}`,
    host,
    dir,
    kill: () => server.kill(),
    start: () => server.start(),
  };
}

/** An authority, and a certificate of it for 127.0.0.1, made with openssl. */
export async function certificates(
  stack: AsyncDisposableStack,
): Promise<{ ca: string; cert: string; key: string }> {
  const dir = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const openssl = async (...args: string[]): Promise<void> => {
    const { success, stderr } = await new Deno.Command("openssl", {
      args,
      cwd: dir,
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  };
  const fresh = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "2",
  ];
  await openssl(...fresh, "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem");
  await openssl(
    ...fresh,
    "-subj",
    "/CN=registry",
    "-addext",
    "subjectAltName=IP:127.0.0.1",
    "-addext",
    "basicConstraints=critical,CA:FALSE",
    "-CA",
    "ca.pem",
    "-CAkey",
    "ca.key",
    "-keyout",
    "tls.key",
    "-out",
    "tls.pem",
  );
  return { ca: await Deno.readTextFile(`${dir}/ca.pem`), cert: `${dir}/tls.pem`, key: `${dir}/tls.key` };
}

/** A test that is ignored where no registry is. */
export function test(name: string, fn: (stack: AsyncDisposableStack) => Promise<void>): void {
  register(name, registry.test, fn);
}

/** A test that is ignored where registries of one's own cannot be started. */
export function ownTest(name: string, fn: (stack: AsyncDisposableStack) => Promise<void>): void {
  register(name, program.test, fn);
}

function register(
  name: string,
  options: { readonly ignore: boolean },
  fn: (stack: AsyncDisposableStack) => Promise<void>,
): void {
  Deno.test({
    name,
    ...options,
    async fn() {
      await using stack = new AsyncDisposableStack();
      await fn(stack);
    },
  });
}
