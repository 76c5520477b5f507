/**
 * Whether a host is who it was: the format of `known_hosts`, hashed names, patterns, ports and revoked keys included.
 *
 * @module
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** What is known of a key that a host shows. */
export type HostKeyVerdict = "known" | "unknown" | "changed" | "revoked" | "other-type";

/** A line that is about a host. */
interface KnownKey {
  readonly revoked: boolean;
  readonly type: string;
  readonly key: string;
}

/** The fingerprint of a key, as `ssh-keygen -l` prints it. */
export function fingerprint(key: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** The type that a key says it has. */
export function keyType(key: Uint8Array): string {
  const length = new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(0);
  return new TextDecoder().decode(key.subarray(4, 4 + Math.min(length, 64)));
}

/** The name of a host in `known_hosts`. */
export function knownName(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`;
}

function matchesHashed(field: string, name: string): boolean {
  const [, , salt, hash] = field.split("|");
  if (!salt || !hash) return false;
  const wanted = createHmac("sha1", new Uint8Array(atobBytes(salt))).update(name).digest();
  const found = atobBytes(hash);
  return found.length === wanted.length && timingSafeEqual(found, wanted);
}

function atobBytes(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

function matchesPattern(pattern: string, name: string): boolean {
  const source = pattern.toLowerCase().replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*").replaceAll(
    "?",
    ".",
  );
  return new RegExp(`^${source}$`).test(name);
}

function matches(field: string, name: string): boolean {
  if (field.startsWith("|1|")) return matchesHashed(field, name);
  let found = false;
  for (const pattern of field.split(",")) {
    if (pattern.startsWith("!")) {
      if (matchesPattern(pattern.slice(1), name)) return false;
    } else found ||= matchesPattern(pattern, name);
  }
  return found;
}

/** The keys of one host in a file of known hosts. */
export class KnownHost {
  readonly #keys: readonly KnownKey[];

  /**
   * @param text What the file holds.
   * @param host The host.
   * @param port Its port.
   */
  constructor(text: string, host: string, port: number) {
    const name = knownName(host, port);
    this.#keys = text.split(/\r?\n/).flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      if (!fields[0] || fields[0].startsWith("#")) return [];
      const marker = fields[0].startsWith("@") ? fields.shift() : undefined;
      const [names, type, key] = fields;
      // A certificate authority vouches for certificates only, and this client asks for plain keys.
      if (!names || !type || !key || (marker !== undefined && marker !== "@revoked")) return [];
      return matches(names, name) ? [{ revoked: marker !== undefined, type, key }] : [];
    });
  }

  /** The types of the keys that are known, so that the host is asked for one of these. */
  get types(): readonly string[] {
    return [...new Set(this.#keys.filter((known) => !known.revoked).map((known) => known.type))];
  }

  /**
   * Compares a key with those known.
   *
   * @param key What the host shows.
   * @returns What is known of it.
   */
  judge(key: Uint8Array): HostKeyVerdict {
    const text = btoa(String.fromCharCode(...key));
    const same = this.#keys.filter((known) => known.key === text);
    if (same.some((known) => known.revoked)) return "revoked";
    if (same.length > 0) return "known";
    const types = this.types;
    if (types.includes(keyType(key))) return "changed";
    return types.length > 0 ? "other-type" : "unknown";
  }
}
