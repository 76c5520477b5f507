/**
 * Where a registry is: what people write, as a URL, and whether that may go unencrypted.
 *
 * @module
 */
import { DefinitionError } from "../../core/errors.ts";

/** Where a registry is. */
export interface RegistryAddress {
  /** Where requests go, without a path: `https://registry.example:5000`. */
  readonly origin: string;
  /** What it is called in references, errors and `config.json`: `registry.example:5000`. */
  readonly host: string;
}

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Whether a host is this machine.
 *
 * @param hostname A name or an address, without a port.
 * @returns Whether what is sent there stays here.
 */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK.test(hostname);
}

/**
 * Reads the address of a registry.
 *
 * @param address `registry.example`, `registry.example:5000`, `https://…` or `http://…`. Without a scheme it is `https`, on this machine `http`.
 * @param plainHttp Whether `http` may leave this machine.
 * @returns The address.
 * @throws {DefinitionError} When it is none, holds more than a host, or is `http` to another machine without leave.
 */
export function registryAddress(address: string, plainHttp = false): RegistryAddress {
  const fail = (why: string): never => {
    throw new DefinitionError(
      `Cannot use ${JSON.stringify(shown(address))} as the address of a registry: ${why}`,
    );
  };
  const given = /^[a-z]+:\/\//i.test(address) ? address : `guess://${address}`;
  let url: URL;
  try {
    url = new URL(given.replace(/^guess:/, "https:"));
  } catch {
    return fail('it is no host; write "registry.example:5000" or "https://registry.example"');
  }
  if (url.username || url.password) fail("it holds a password; pass `credentials` instead");
  if (url.pathname !== "/" || url.search || url.hash) {
    fail("it holds more than a host; the image goes into `repository`");
  }
  const local = isLoopback(url.hostname);
  const scheme = given.startsWith("guess:") ? (local ? "http:" : "https:") : url.protocol;
  if (scheme !== "http:" && scheme !== "https:") fail("use https:// or http://");
  if (scheme === "http:" && !local && !plainHttp) {
    fail("passwords and images would go unencrypted; use https://, or allow it with `plainHttp: true`");
  }
  // `new URL("https://h:80")` keeps the port and `new URL("http://h:443")` too: only the scheme's own default goes.
  const host = hostOf(given, url);
  return host === "docker.io" || host === "index.docker.io"
    ? { origin: "https://registry-1.docker.io", host: "docker.io" }
    : { origin: `${scheme}//${host}`, host };
}

function hostOf(given: string, url: URL): string {
  return given.startsWith("guess:")
    ? given.slice("guess://".length).replace(/\/$/, "").toLowerCase()
    : url.host;
}

/** The address without what may be a password. */
function shown(address: string): string {
  return address.replace(/\/\/[^@/]*@/, "//…@");
}

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;

/**
 * Checks the name of an image repository.
 *
 * @param name `team/images`.
 * @returns It.
 * @throws {DefinitionError} When no registry takes it.
 */
export function checkRepositoryName(name: string): string {
  if (name.length <= 255 && name.split("/").every((part) => COMPONENT.test(part))) return name;
  throw new DefinitionError(
    `Cannot use ${
      JSON.stringify(name)
    } as the name of an image repository: use lower-case letters and digits, ` +
      "joined by . _ - or /, and put the registry's address and the tag elsewhere",
  );
}
