/**
 * A package registry on this machine that speaks as much of JSR's protocol as Deno does when it publishes, adds, installs and runs.
 *
 * @module
 */
import { openTar } from "./open_tar.ts";

/** What was published of one version. */
interface Version {
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly manifest: Record<string, { size: number; checksum: string }>;
  readonly exports: Record<string, string>;
}

/** A registry that runs. */
export interface LoopbackRegistry extends AsyncDisposable {
  /** Its address, for `JSR_URL`. */
  readonly url: string;
  /** The files of a version, by path. */
  files(name: string, version: string): ReadonlyMap<string, Uint8Array<ArrayBuffer>> | undefined;
}

/**
 * Starts a registry on a free port of the loopback interface.
 *
 * @param options When its versions say that they were published. Default: two days ago, so that they are past the minimum age.
 * @returns The registry.
 */
export function loopbackRegistry(options: { readonly publishedAt?: Date } = {}): LoopbackRegistry {
  const createdAt = (options.publishedAt ?? new Date(Date.now() - 48 * 3_600_000)).toISOString();
  const packages = new Map<string, Map<string, Version>>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname, searchParams } = new URL(request.url);
    const publishing = /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)\/versions\/([^/]+)$/.exec(pathname);
    if (publishing && request.method === "POST") {
      const [, scope, name, version] = publishing;
      const config = searchParams.get("config") ?? "/deno.json";
      const made = await readVersion(request.body!, config);
      const id = `@${scope}/${name}`;
      if (!packages.has(id)) packages.set(id, new Map());
      packages.get(id)!.set(version!, made);
      return json({ id: "task", status: "success", error: null });
    }
    if (pathname.startsWith("/api/publish_status/")) {
      return json({ id: "task", status: "success", error: null });
    }
    const known = /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)$/.exec(pathname);
    if (known) return json({ scope: known[1], name: known[2] });
    return serve(packages, pathname, createdAt);
  });
  return {
    url: `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}/`,
    files: (name, version) => packages.get(name)?.get(version)?.files,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function readVersion(body: ReadableStream<Uint8Array<ArrayBuffer>>, config: string): Promise<Version> {
  const bytes = await new Response(body.pipeThrough(new DecompressionStream("gzip"))).bytes();
  const files = new Map([...openTar(bytes)].map(([path, content]) => [`/${path}`, content]));
  const manifest: Version["manifest"] = {};
  for (const [path, content] of files) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    manifest[path] = { size: content.length, checksum: `sha256-${digest.toHex()}` };
  }
  const { exports } = JSON.parse(new TextDecoder().decode(files.get(config)!));
  return { files, manifest, exports: typeof exports === "string" ? { ".": exports } : exports };
}

function serve(
  packages: ReadonlyMap<string, ReadonlyMap<string, Version>>,
  pathname: string,
  createdAt: string,
): Response {
  const [, id, path] = /^\/(@[^/]+\/[^/]+)\/(.*)$/.exec(pathname) ?? [];
  const versions = packages.get(id ?? "");
  if (!versions) return json({ code: "packageNotFound", message: "not found" }, 404);
  if (path === "meta.json") {
    const [scope, name] = id!.slice(1).split("/");
    const all = Object.fromEntries([...versions.keys()].map((version) => [version, { createdAt }]));
    return json({ scope, name, latest: [...versions.keys()].at(-1), versions: all });
  }
  const [, described] = /^(.+)_meta\.json$/.exec(path!) ?? [];
  const version = versions.get(described ?? "");
  if (version) return json({ manifest: version.manifest, exports: version.exports });
  const slash = path!.indexOf("/");
  const file = versions.get(path!.slice(0, slash))?.files.get(path!.slice(slash));
  return file
    ? new Response(file, { headers: { "content-type": typeOf(path!) } })
    : json({ code: "notFound" }, 404);
}

function typeOf(path: string): string {
  if (path.endsWith(".ts")) return "text/typescript";
  return path.endsWith(".json") ? "application/json" : "text/plain";
}

function json(value: unknown, status = 200): Response {
  return Response.json(value, { status, headers: { "x-deno-ray": "loopback" } });
}
