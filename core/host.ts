/**
 * The host this process runs on.
 *
 * @module
 */

/**
 * The name of this host.
 *
 * @returns Its name, or `localhost` where asking for it is not allowed: nobody is prompted for it.
 */
export function hostName(): string {
  if (Deno.permissions.querySync({ name: "sys", kind: "hostname" }).state !== "granted") return "localhost";
  return Deno.hostname();
}
